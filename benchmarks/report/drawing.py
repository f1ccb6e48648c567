"""SVG drawings for the charts, readable on light and dark pages."""

from __future__ import annotations

from html import escape

__all__ = ["Drawing", "css_class"]

# light, dark
_TOOLS = {
    "towline": ("#0969da", "#58a6ff"),
    "diff-ids": ("#8250df", "#bc8cff"),
    "skopeo": ("#bc4c00", "#f0883e"),
    "oci": ("#953800", "#ffa657"),
    "crane": ("#1a7f37", "#3fb950"),
    "podman": ("#bf3989", "#f778ba"),
    "plain": ("#6e7781", "#8b949e"),
}
_STYLE = """\
.page{{fill:{page}}}text{{fill:{ink}}}.faint{{fill:{faint}}}.grid{{stroke:{grid}}}\
.axis{{stroke:{faint}}}.whisker{{stroke:{ink}}}{tools}"""
_LIGHT = {"page": "#ffffff", "ink": "#1f2328", "faint": "#59636e", "grid": "#d9dee4"}
_DARK = {"page": "#0d1117", "ink": "#f0f6fc", "faint": "#9198a1", "grid": "#2f353d"}


def css_class(name: str) -> str:
    """The CSS class of a contender, which gives each tool one colour in every chart."""
    if "diff-ids" in name:
        return "diff-ids"
    if name == "skopeo to oci:":
        return "oci"
    return next((tool for tool in _TOOLS if name.startswith(tool)), "plain")


class Drawing:
    """Shapes on a page of a given size."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._shapes: list[str] = []

    def text(
        self, x: float, y: float, text: str, *, style: str = "", anchor: str = "start"
    ) -> None:
        """Draw text at a position; `style` is one or more CSS classes."""
        classes = f' class="{style}"' if style else ""
        position = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self._shapes.append(f"<text {position}{classes}>{escape(text)}</text>")

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a straight line."""
        path = f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
        self._shapes.append(f'<path d="{path}" class="{style}"/>')

    def curve(self, points: list[tuple[float, float]], style: str) -> None:
        """Draw points with lines between them."""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self._shapes.append(f'<path d="M{path}" fill="none" stroke-width="2" class="s {style}"/>')
        for x, y in points:
            self._shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="f {style}"/>')

    def bar(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """Draw a filled rectangle."""
        size = f'width="{max(width, 0.5):.1f}" height="{height:.1f}"'
        self._shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} class="f {style}"/>')

    def svg(self) -> str:
        """The content of the SVG file."""
        width, height = (f"{side:.0f}" for side in self._size)
        light = _styles(_LIGHT, 0)
        dark = f"@media(prefers-color-scheme:dark){{{_styles(_DARK, 1)}}}"
        font = "font-family=\"-apple-system,'Segoe UI','DejaVu Sans',sans-serif\" font-size=\"12\""
        opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        style = f".bold{{font-weight:600}}.small{{font-size:11px}}.cpu{{opacity:.45}}{light}{dark}"
        lines = (
            f'{opening} width="{width}" height="{height}" role="img" {font}>',
            f"<title>{escape(self._title)}</title>",
            f"<style>{style}</style>",
            # A background: text in the colour of one mode is unreadable on a page of the other.
            '<rect width="100%" height="100%" class="page"/>',
            *self._shapes,
            "</svg>",
        )
        return "\n".join(lines) + "\n"


def _styles(colours: dict[str, str], mode: int) -> str:
    tools = "".join(
        f".f.{tool}{{fill:{pair[mode]}}}.s.{tool}{{stroke:{pair[mode]}}}"
        for tool, pair in _TOOLS.items()
    )
    return _STYLE.format(**colours, tools=tools)
