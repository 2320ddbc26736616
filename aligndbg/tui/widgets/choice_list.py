"""What the lists to choose from have in common: their look, and the keys that move in them."""

from __future__ import annotations

from textual.widgets import OptionList


class ChoiceList(OptionList):
    """Each option is text of strangers: none of it is markup."""

    DEFAULT_CSS = """
    ChoiceList {
        background: $background; border: round $foreground 25%; border-title-color: $text-muted; border-subtitle-color: $text-muted;
        height: 1fr; padding: 0; scrollbar-size-vertical: 1;
        background-tint: $background 0%; text-wrap: nowrap; text-overflow: ellipsis;
        &:focus { background: $background; background-tint: $background 0%; }
        &:focus { border: heavy $accent; border-title-color: $text-accent; border-title-style: bold; }
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-highlighted { background: $foreground 12%; color: $foreground; text-style: none; }
        &:focus > .option-list--option-highlighted { background: $primary 30%; color: $foreground; text-style: none; }
        & > .option-list--option-disabled { color: $foreground 60%; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)

    def action_line_down(self) -> None:
        self.action_cursor_down()

    def action_line_up(self) -> None:
        self.action_cursor_up()

    def action_half_down(self) -> None:
        self._half(1)

    def action_half_up(self) -> None:
        self._half(-1)

    def _half(self, step: int) -> None:
        if self.highlighted is not None:
            self.highlighted = max(0, min(self.option_count - 1, self.highlighted + step * max(1, self.size.height // 2)))

    def action_top(self) -> None:
        self.action_first()

    def action_bottom(self) -> None:
        self.action_last()

    def action_open(self) -> None:
        self.action_select()
