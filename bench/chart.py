#!/usr/bin/python3
"""Draws results as SVG: transactions a second and own CPU a query, of all who were measured.

    bench/chart.py bench/results/DATE.json > chart.svg

Bars begin at 0. Colours are legible on light and dark ground; text takes the reader's.
"""
import html
import json
import math
import sys

NAMES = {  # as results call them -> as people do, and the colour
    "direct": ("direct (no proxy)", "#8a8f98"),
    "nanu": ("nanu", "#0b8f6a"),
    "nanu, 2 shards": ("nanu, over 2 shards", "#3fbf95"),
    "PgBouncer": ("PgBouncer", "#4f7fd6"),
    "HAProxy": ("HAProxy (TCP)", "#c98a2b"),
    "Pgpool-II": ("Pgpool-II", "#c2607f"),
}
MODES = ("simple", "extended", "prepared")
CLIENTS = (16, 64)
WIDTH, LEFT, RIGHT = 860, 96, 10
BAR, BAR_GAP, GROUP_GAP, TITLE, FOOT = 11, 1, 12, 34, 26
PANEL_GAP = 30
STYLE = """text { font: 12px system-ui, sans-serif; fill: #24292f } .small { font-size: 10px } .title { font-weight: 600; font-size: 13px }
line { stroke: #24292f; stroke-opacity: .18 } @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } line { stroke: #e6edf3 } }"""


def round_up(value):
    """The end of an axis, whose quarters are round, too."""
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10) if step * power >= value)


def words(x, y, text, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{html.escape(text)}</text>'


def panel(x, y, width, title, groups, show):
    """groups: [(label, [(name, value)])], a bar for each value. Returns the drawing and where it ends."""
    highest = max(value for _, bars in groups for _, value in bars)
    end = round_up(highest * 1.08)
    parts, top = [words(x, y + 14, title, kind="title")], y + TITLE - 8
    at = top + 4
    for label, bars in groups:
        height = len(bars) * (BAR + BAR_GAP)
        parts.append(words(x + LEFT - 8, at + height / 2 - 2, label[0], "end"))
        parts.append(words(x + LEFT - 8, at + height / 2 + 11, label[1], "end", "small"))
        for name, value in bars:
            size = value / end * (width - LEFT - 44)
            parts.append(f'<rect x="{x + LEFT}" y="{at:.1f}" width="{size:.1f}" height="{BAR}" fill="{NAMES[name][1]}"/>')
            parts.append(words(x + LEFT + size + 4, at + BAR - 2, show(value), kind="small"))
            at += BAR + BAR_GAP
        at += GROUP_GAP
    for i in range(5):
        tick = x + LEFT + (width - LEFT - 44) * i / 4
        parts.insert(0, f'<line x1="{tick:.1f}" y1="{top}" x2="{tick:.1f}" y2="{at - 6:.1f}"/>')
        parts.append(words(tick, at + 6, show(end * i / 4), "middle", "small"))
    return "\n".join(parts), at + FOOT - 12


def groups_of(results, key):
    """Of the cells that are there, (label, bars) of those who have the figure."""
    found = []
    for clients in CLIENTS:
        for mode in MODES:
            for cell in results.get("pgbench", []):
                if (cell["script"], cell["mode"], cell["clients"]) == ("-S", mode, clients):
                    bars = [(name, cell["targets"][name][key]) for name in NAMES if cell["targets"].get(name, {}).get(key)]
                    if bars:
                        found.append(((mode, f"{clients} clients"), bars))
    return found


def draw(results):
    """The picture; None when there is nothing to show."""
    rates, costs = groups_of(results, "tps"), groups_of(results, "cpu_us")
    if not rates or not costs:
        return None
    half = (WIDTH - PANEL_GAP) / 2
    top = 66
    left, left_end = panel(0, top, half, "transactions a second (more is better)", rates, lambda value: f"{value / 1000:.3g}k" if value else "0")
    right, right_end = panel(half + PANEL_GAP, top, half, "the proxy's own CPU, µs a query (less is better)", costs, lambda value: f"{value:.3g}")
    shown = {name for _, bars in rates for name, _ in bars}
    legend, x = [], 0
    for name, (label, colour) in NAMES.items():
        if name in shown:
            legend.append(f'<rect x="{x}" y="36" width="11" height="11" fill="{colour}"/>' + words(x + 16, 46, label))
            x += 30 + len(label) * 7
    height = max(left_end, right_end)
    heading = (f"pgbench -S, {results['date']}, {results['machine'].split(' ', 1)[0]} cores shared by pgbench, proxy and PostgreSQL: "
               f"bench/results/{results['date']}.md")
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img" '
                      f'aria-label="{html.escape(heading)}">', f"<style>{STYLE}</style>", words(0, 16, heading), *legend, left, right, "</svg>", ""])


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(draw(json.load(file)) or sys.exit("nothing to draw"))
