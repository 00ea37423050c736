"""How far off a forecast may be: conformal intervals, scaled by how each series scatters.

Forecasts from earlier days show how large errors were. Each is divided by what was to be expected
of its series at the time, by its scatter and its errors until then; the quantiles of these scores,
over all series of a call, times what is to be expected now, are the half widths. So a fleet tells
what the rare surprises are like, which no series has enough of to tell, and calm series have narrow
intervals all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.analysis.run_rate import Track
    from finops_exporter.analysis.windows import Matrix

RECENT_DAYS: Final = 250
PRIOR_ERRORS: Final = 20
"""What the scatter lets expect counts as so many observed errors."""

SCATTER_SHARE: Final = 0.3
LEAST_ERROR: Final = 0.05
"""What the scatter lets expect of a forecast of 25 days: three tenths of it, and 5 %."""

USUAL_DAYS: Final = 25
UNKNOWN_SCATTER: Final = 0.1
LARGEST_ERROR: Final = 1.5

LEVELS: Final = (0.855, 0.96)
"""The shares of the past that the 80 % and the 95 % interval cover: more than their names say,
since the future has surprises that the past had not."""

PRIOR_SCORES: Final = (
    *(0.02, 0.06, 0.11, 0.15, 0.19, 0.23, 0.28, 0.33, 0.39, 0.45),
    *(0.52, 0.60, 0.69, 0.80, 0.94, 1.10, 1.36, 1.84, 3.15, 7.97),
)
"""What such scores are like among the series that the methods were tuned on, by twentieths."""

PRIOR_WEIGHT: Final = 100
"""They count as so many scores: all there is for a first month, next to nothing in a fleet."""


def half_widths(found: Track, ahead: int) -> NDArray[np.float64]:
    """`[2, series]`: half widths of the 80 % and 95 % intervals, as shares of the rate's sum."""
    expected = _expected_errors(found, ahead)
    recent = found.origins >= found.origins[0] - RECENT_DAYS
    scores = (np.abs(found.errors) / expected)[:, recent]
    seen = scores[np.isfinite(scores)]
    prior = np.repeat(PRIOR_SCORES, PRIOR_WEIGHT // len(PRIOR_SCORES))
    quantiles = np.quantile(np.concatenate([seen, prior]), LEVELS)
    widths: NDArray[np.float64] = quantiles[:, np.newaxis] * expected[:, 0]
    return widths


def _expected_errors(found: Track, ahead: int) -> Matrix:
    """`[series, origin]`: the relative error to be expected, by what was known at the origin."""
    scatter = np.where(np.isnan(found.scatter), UNKNOWN_SCATTER, found.scatter)
    longer = np.sqrt(ahead / USUAL_DAYS)
    prior = (SCATTER_SHARE * scatter + LEAST_ERROR) * longer
    errors = np.minimum(np.abs(found.errors), LARGEST_ERROR)
    known = np.isfinite(errors)
    # Origins are sorted, newest first: what was known at one are those that were over by then.
    over = np.searchsorted(-found.origins, ahead - found.origins)
    total, count = (_from(values, over) for values in (np.where(known, errors, 0), known))
    together: Matrix = (total + PRIOR_ERRORS * prior) / (count + PRIOR_ERRORS)
    return together


def _from(values: Matrix | NDArray[np.bool_], places: NDArray[np.intp]) -> Matrix:
    """The sums of the columns from each place on."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    sums[:, :-1] = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
    return sums[:, places]
