"""The universal scalability law fitted to measurements: its coefficients, and how sure they are.

The law and its meaning are in `devops_lab.scaling`; here are only the numbers.
"""

import math

import numpy as np

from devops_lab.rules import number


def best_coefficients(sizes: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """The law's rate of one, contention and coherency that miss the throughputs least.

    None is negative: where the best of all has a negative one, that is 0.
    """
    terms = np.column_stack([np.ones_like(sizes), sizes - 1, sizes * (sizes - 1)])
    best_miss, best = math.inf, np.zeros(3)
    for free in ([0, 1, 2], [0, 1], [0, 2], [0]):
        slowness = np.zeros(3)
        slowness[free] = _fitted_slowness(sizes, measured, terms[:, free])
        miss = _miss(sizes, measured, terms, slowness)
        if slowness[0] > 0 and slowness.min() >= 0 and miss < best_miss:
            best_miss, best = miss, slowness
    return np.array([1, best[1], best[2]]) / best[0]


def covariance(sizes: np.ndarray, measured: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """How the coefficients vary together from one set of measurements to the next.

    Assumes that the misses are independent and equally large on average.
    """
    rate_1, contention, coherency = coefficients
    slowness = 1 + contention * (sizes - 1) + coherency * sizes * (sizes - 1)
    fitted = rate_1 * sizes / slowness
    shrinks = -(fitted**2) / (rate_1 * sizes)
    jacobian = np.column_stack(
        [fitted / rate_1, shrinks * (sizes - 1), shrinks * sizes * (sizes - 1)]
    )
    scale = np.linalg.norm(jacobian, axis=0)
    inverse = np.linalg.pinv(jacobian / scale)
    residuals = measured - fitted
    variance = residuals @ residuals / (len(sizes) - len(coefficients))
    return inverse @ inverse.T / np.outer(scale, scale) * variance


def peak_interval(
    centre: np.ndarray, spread: np.ndarray, freedom: int, level: float
) -> tuple[float, float]:
    """Between which sizes the peak lies, from laws drawn around the fitted one with its `spread`
    (a covariance): the peak is far from normal."""
    draw = np.random.default_rng(1)
    misses = draw.multivariate_normal(np.zeros(3), spread, size=10_000, method="eigh")
    heavy = np.sqrt(freedom / draw.chisquare(freedom, size=(10_000, 1)))
    laws = np.maximum(centre + misses * heavy, 0.0)
    parallel, coherency = np.maximum(1 - laws[:, 1], 0.0), laws[:, 2]
    peaks = np.full(len(laws), math.inf)
    np.sqrt(np.divide(parallel, coherency, where=coherency > 0, out=peaks), out=peaks)
    low, high = np.quantile(peaks, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return float(low), float(high)


def student_t_quantile(q: float, freedom: int) -> float:
    """The value that a Student t quantity with so many degrees of freedom does not exceed with
    probability `q` (at least 0.5).

    >>> round(student_t_quantile(0.975, freedom=4), 3)
    2.776
    """
    inside = 2 * number("q", q, at_least=0.5, below=1) - 1
    low, high = 0.0, math.pi / 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (
            (low, middle) if _student_t_inside(middle, freedom) >= inside else (middle, high)
        )
    return math.sqrt(freedom) * math.tan(middle)


def _fitted_slowness(sizes: np.ndarray, measured: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """The coefficients of size / throughput = terms @ coefficients that fit *throughput* best.

    Gauss-Newton from the straight fit of size / throughput, with steps halved until they help.
    """
    slowness = np.linalg.lstsq(terms, sizes / measured, rcond=None)[0]
    for _step in range(100):
        denominator = terms @ slowness
        missed = measured - sizes / denominator
        slope = -(sizes / denominator**2)[:, np.newaxis] * terms
        scale = np.linalg.norm(slope, axis=0)
        change = np.linalg.lstsq(slope / scale, missed, rcond=None)[0] / scale
        before = _miss(sizes, measured, terms, slowness)
        while _miss(sizes, measured, terms, slowness + change) > before:
            change /= 2
        if np.abs(change).max() <= 1e-13 * np.abs(slowness).max():
            break
        slowness = slowness + change
    return slowness


def _miss(
    sizes: np.ndarray, measured: np.ndarray, terms: np.ndarray, slowness: np.ndarray
) -> float:
    denominator = terms @ slowness
    # A curve that passes through infinity between the points is no fit, however close it comes.
    return (
        float(np.sum((measured - sizes / denominator) ** 2)) if denominator.min() > 0 else math.inf
    )


def _student_t_inside(angle: float, freedom: int) -> float:
    """P(|T| <= sqrt(freedom) tan angle) (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    if freedom == 1:
        total = 0.0
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
