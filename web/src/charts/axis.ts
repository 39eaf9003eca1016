/** The common horizontal axis of the leaderboard: accuracies in, percentages of the width out. */

export interface Axis {
  low: number;
  high: number;
  ticks: number[];
}

export interface IntervalLayout {
  /** Centre of the dot, in percent of the width. */
  dot: number;
  left: number;
  width: number;
}

interface Interval {
  mean: number;
  low: number;
  high: number;
}

const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5];
const MAX_TICKS = 5;

/** An axis over `values` (fractions), rounded outwards to whole ticks so that it rarely moves. */
export function axisOf(values: readonly number[]): Axis {
  let min = Infinity;
  let max = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  if (min > max) return { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
  min = clamp(min, 0, 1);
  max = clamp(max, 0, 1);
  for (const step of STEPS) {
    const first = Math.floor(round(min / step));
    const last = Math.max(Math.ceil(round(max / step)), first + 1);
    if (last - first + 1 > MAX_TICKS) continue;
    const ticks: number[] = [];
    for (let i = first; i <= last; i++) ticks.push(round(i * step));
    return { low: round(first * step), high: round(last * step), ticks };
  }
  return { low: 0, high: 1, ticks: [0, 0.5, 1] };
}

/** Where a value lies, in percent of the width, kept inside it. */
export function position(axis: Axis, value: number): number {
  return clamp(((value - axis.low) / (axis.high - axis.low)) * 100, 0, 100);
}

/** An interval bar and its dot. */
export function layoutInterval(axis: Axis, estimate: Interval): IntervalLayout {
  const left = position(axis, estimate.low);
  return {
    dot: position(axis, estimate.mean),
    left,
    width: Math.max(position(axis, estimate.high) - left, 0),
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Rids sums of decimals of their binary tails: 0.30000000000000004 -> 0.3. */
function round(value: number): number {
  return Number(value.toFixed(9));
}
