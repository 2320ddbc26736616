"""The conversion plan from torch's state to Paddle's, its application, and checkpoint files."""
