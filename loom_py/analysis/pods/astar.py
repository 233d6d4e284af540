"""Shortest paths on a grid."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError
from ...values import whole
from ..checks import numbers

Cell = tuple[int, int]


def astar(
    blocked: ArrayLike, start: Sequence[int], goal: Sequence[int], cost: ArrayLike | None = None
) -> tuple[list[Cell], float] | None:
    """The cheapest path from start to goal through edge neighbours: A* (Hart, Nilsson & Raphael 1968).

    **Arguments:**

    - `blocked`: (rows, columns), true for cells that cannot be entered.
    - `start`, `goal`: (row, column).
    - `cost`: (rows, columns) cost of entering each cell, at least 0; None for 1 everywhere.

    Returns the cells from start to goal and the sum of their costs without the start's; None if there is no path.
    The heuristic is the Manhattan distance times the least cost, which never overestimates. Of several cheapest
    paths it is always the same one.
    """
    walls = np.asarray(blocked)
    if walls.ndim != 2 or walls.dtype.kind not in "biuf" or not np.isin(walls, (0, 1)).all():
        raise InputError("expected a matrix of booleans, or of 0 and 1", where="blocked")
    rows, cols = walls.shape
    price = np.ones(walls.shape) if cost is None else numbers(cost, "cost")
    if price.shape != walls.shape or (price < 0).any():
        raise InputError(f"expected costs of at least 0 of shape {walls.shape}", where="cost")
    for where, cell in (("start", start), ("goal", goal)):
        if len(cell) != 2:
            raise InputError("expected a row and a column", where=where)
        whole(cell[0], f"{where}[0]", 0, rows - 1)
        whole(cell[1], f"{where}[1]", 0, cols - 1)
    if walls[tuple(start)] or walls[tuple(goal)]:
        return None
    free = ~np.pad(walls.astype(bool), 1, constant_values=True)  # a wall around the grid saves border checks
    width = cols + 2
    open_cells, prices = free.ravel().tolist(), np.pad(price, 1).ravel().tolist()
    first, last = ((r + 1) * width + c + 1 for r, c in (start, goal))
    least = float(price[~walls.astype(bool)].min())
    goal_row, goal_col = divmod(last, width)
    best = [math.inf] * len(open_cells)
    came = [-1] * len(open_cells)
    best[first] = 0.0
    queue = [(0.0, 0, first)]
    order = 0
    closed = [False] * len(open_cells)
    while queue:
        _, _, here = heapq.heappop(queue)
        if here == last:
            break
        if closed[here]:
            continue
        closed[here] = True
        for neighbour in (here - width, here + width, here - 1, here + 1):
            if not open_cells[neighbour]:
                continue
            total = best[here] + prices[neighbour]
            if total < best[neighbour]:
                best[neighbour], came[neighbour] = total, here
                row, col = divmod(neighbour, width)
                order -= 1  # among equal estimates the newest first: it is nearest to the goal
                ahead = least * (abs(row - goal_row) + abs(col - goal_col))
                heapq.heappush(queue, (total + ahead, order, neighbour))
    if best[last] == math.inf:
        return None
    path, at = [], last
    while at != -1:
        path.append((at // width - 1, at % width - 1))
        at = came[at]
    return path[::-1], best[last]
