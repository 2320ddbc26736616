"""Jobs: evaluation and training runs that outlive the app. One folder a job, one small supervisor a job."""
