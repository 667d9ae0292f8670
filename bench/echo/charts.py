# SPDX-License-Identifier: MIT
"""charts.py - a plot of dots with whiskers, as SVG, in panels"""
import math
from html import escape

COLORS = {"green": "#1a8f3c", "shim": "#0f8f96", "peer": "#5b6b8c", "limit": "#111111"}
LEGEND = {"green": "written with libgreen", "shim": "unchanged, under green run", "peer": "peers",
          "limit": "epoll by hand"}
ROW, NAMES, PLOT, GAP, TOP = 17, 290, 270, 30, 64


class Scale:
    """Logarithmic, from a round figure below the smallest to one above the largest."""

    def __init__(self, values, left):
        self.low, self.high, self.left = min(values) * 0.9, max(values) * 1.1, left

    def __call__(self, value):
        return self.left + PLOT * math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self):
        steps = [factor * 10.0 ** power for power in range(-3, 7) for factor in (1, 2, 3, 5, 7)]
        return [step for step in steps if self.low <= step <= self.high]


def text(x, y, words, anchor="start", color="#333", size=11, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-size="{size}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def line(x1, y1, x2, y2, color, width=1.0):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"/>'


def panel(title, rows, left, top):
    """ROWS are (name, family, low, median, high), drawn from the smallest median to the largest."""
    scale = Scale([row[i] for row in rows for i in (2, 4)], left + NAMES)
    bottom = top + ROW * len(rows)
    yield text(left + NAMES, top - 8, title, weight="bold", size=12)
    for tick in scale.ticks():
        yield line(scale(tick), top, scale(tick), bottom, "#e4e4e4")
        yield text(scale(tick), bottom + 13, f"{tick:g}", "middle", "#666", 10)
    for number, (name, family, low, median, high) in enumerate(sorted(rows, key=lambda row: row[3])):
        y = top + ROW * (number + 0.5)
        yield text(left + NAMES - 8, y + 4, name, "end", COLORS[family])
        yield line(scale(low), y, scale(high), y, COLORS[family], 1.5)
        yield f'<circle cx="{scale(median):.1f}" cy="{y:.1f}" r="3.5" fill="{COLORS[family]}"/>'


def legend(left, top, known):
    for family, words in known.items():
        yield f'<circle cx="{left + 4}" cy="{top - 4}" r="4" fill="{COLORS[family]}"/>'
        yield text(left + 13, top, words, color=COLORS[family])
        left += 34 + 7 * len(words)


def plot(title, panels, known=None):
    """PANELS: title and rows of each, two beside each other; KNOWN: what the families are called.  All as one text."""
    width = 2 * (NAMES + PLOT + GAP)
    body, top = [text(12, 22, title, size=14, weight="bold"), *legend(12, 40, known or LEGEND)], TOP + 8
    for pair in (panels[i:i + 2] for i in range(0, len(panels), 2)):
        for column, (name, rows) in enumerate(pair):
            body += panel(name, rows, column * (NAMES + PLOT + GAP), top)
        top += ROW * max(len(rows) for _, rows in pair) + 56
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top - 24}" '
                      f'viewBox="0 0 {width} {top - 24}" font-family="sans-serif">',
                      f'<rect width="{width}" height="{top - 24}" fill="#ffffff"/>', *body, "</svg>", ""])
