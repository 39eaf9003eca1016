/** Learning curves: many trials' series on one x axis, as uPlot wants them. Pure. */

import type { Series } from "../api/types";

export interface Curve {
  key: string;
  /** What the legend says. */
  label: string;
  /** Index into the palette; seeds of one configuration share it. */
  color: number;
  series: Series | undefined;
}

export interface CurveChart {
  /** First the epochs, ascending, then one column a curve; null where a curve has no point. */
  data: [number[], ...(number | null)[][]];
  /** Last finite value of each curve. */
  last: (number | null)[];
  nPoints: number;
}

export function curveChart(curves: readonly Curve[]): CurveChart {
  const epochs = new Set<number>();
  const columns = curves.map(({ series }) => {
    const column = new Map<number, number>();
    for (const { epoch, value } of series?.points ?? []) {
      // NaN and infinities travel as strings: a gap in the line.
      if (typeof value !== "number") continue;
      column.set(epoch, value);
      epochs.add(epoch);
    }
    return column;
  });
  const x = [...epochs].sort((a, b) => a - b);
  return {
    data: [x, ...columns.map((column) => x.map((epoch) => column.get(epoch) ?? null))],
    last: columns.map(lastOf),
    nPoints: columns.reduce((total, column) => total + column.size, 0),
  };
}

/** Each curve's value at, or just before, the x of index `idx`. */
export function valuesAt(chart: CurveChart, idx: number): (number | null)[] {
  return chart.data.slice(1).map((column) => {
    for (let i = idx; i >= 0; i--) {
      const value = column[i];
      if (value != null) return value;
    }
    return null;
  });
}

function lastOf(column: Map<number, number>): number | null {
  const end = Math.max(...column.keys());
  return column.get(end) ?? null;
}
