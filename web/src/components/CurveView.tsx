import { useEffect, useRef, useSyncExternalStore } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { CurveChart } from "../charts/curves";

export interface CurveStyle {
  color: number;
  isDashed: boolean;
}

interface Props {
  chart: CurveChart;
  styles: readonly CurveStyle[];
  format: (value: number) => string;
  /** What a screen reader is told. */
  summary: string;
  /** Index of the epoch under the pointer; null outside. */
  onHover: (idx: number | null) => void;
}

/** Ticks lie on whole epochs. */
const EPOCH_STEPS = [1, 2, 5].flatMap((step) => [1, 10, 100, 1000].map((scale) => step * scale)).sort((a, b) => a - b);
const HEIGHT = 220;

/** Draws `chart` with uPlot: redrawn for new data, rebuilt for new lines, another size or colour scheme. */
export function CurveView({ chart, styles, format, summary, onHover }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ chart, format, onHover });
  useEffect(() => {
    latest.current = { chart, format, onHover };
  });
  const isDark = useSyncExternalStore(watchScheme, () => darkScheme.matches);
  const shape = styles.map(({ color, isDashed }) => `${color}${isDashed ? "d" : ""}`).join(" ");

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const css = getComputedStyle(element);
    const color = (name: string) => css.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: color("--ink-muted"),
      font: `11px ${css.fontFamily}`,
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line"), width: 1, size: 4 },
    };
    const lines = shape === "" ? [] : shape.split(" ");
    const built = new uPlot(
      {
        width: Math.max(element.clientWidth, 120),
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { x: { time: false } },
        axes: [
          { ...axis, incrs: EPOCH_STEPS, size: 26, label: "epoch", labelSize: 16, labelGap: -3, labelFont: `11px ${css.fontFamily}`, gap: 4 },
          { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => latest.current.format(tick)) },
        ],
        series: [
          {},
          ...lines.map((line): uPlot.Series => {
            const stroke = color(`--series-${line.replace("d", "")}`);
            const isDashed = line.endsWith("d");
            return { stroke, width: 1.75, spanGaps: true, ...(isDashed ? { dash: [5, 3] } : {}), points: { size: 4, fill: stroke } };
          }),
        ],
        hooks: { setCursor: [(u) => latest.current.onHover(u.cursor.idx ?? null)] },
      },
      latest.current.chart.data,
      element,
    );
    plot.current = built;
    const observer = new ResizeObserver(() => built.setSize({ width: Math.max(element.clientWidth, 120), height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      built.destroy();
      plot.current = null;
    };
  }, [shape, isDark]);

  useEffect(() => {
    // Between a change of lines and the rebuild the shapes differ for one render.
    if (plot.current?.series.length === chart.data.length) plot.current.setData(chart.data);
  }, [chart]);

  return <div ref={host} className="curve-view" role="img" aria-label={summary} data-points={chart.nPoints} />;
}

const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");

function watchScheme(listener: () => void): () => void {
  darkScheme.addEventListener("change", listener);
  return () => darkScheme.removeEventListener("change", listener);
}
