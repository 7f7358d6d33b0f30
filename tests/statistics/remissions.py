"""Weeks of remission, and whether it ended: Freireich et al. (1963), Blood 21, 699-716."""

from __future__ import annotations

# Those not in the second tuple were still in remission when last seen.
_ON_6MP = (6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35)
_ENDED = (1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
_ON_PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)

ON_6MP = (_ON_6MP, _ENDED)
ON_PLACEBO = (_ON_PLACEBO, (1,) * 21)
