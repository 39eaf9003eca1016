import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { axisOf } from "../charts/axis";
import { facetsOf, varyingFacets } from "../leaderboard/facets";
import { axisValues, mergeLines } from "../leaderboard/rows";
import { sampleBoard, sampleRow, sampleSota } from "../testing/samples";
import { LeaderboardTable } from "./LeaderboardTable";

function markup(over: Parameters<typeof sampleBoard>[0]): string {
  const board = sampleBoard(over);
  const lines = mergeLines(board, true);
  return renderToStaticMarkup(
    <LeaderboardTable
      lines={lines}
      axis={axisOf(axisValues(lines))}
      band={null}
      varying={varyingFacets(board.rows)}
      selection={{ colors: new Map([["a", 2]]), isFull: false, toggle: () => undefined }}
    />,
  );
}

test("a row shows its number, interval and seeds", () => {
  const html = markup({ rows: [sampleRow({ val_top1: { mean: 0.4531, low: 0.417, high: 0.49, n: 2 } })] });
  expect(html).toContain("45.3%");
  expect(html).toContain("41.7\u2009–\u200949.0");
  expect(html).toContain("n = 2");
  for (const { text } of facetsOf(sampleRow())) expect(html).toContain(text);
});

test("what is weak is said to be", () => {
  const rows = [
    sampleRow({ selected: true }),
    sampleRow({ rank: 2, config_id: "b", val_top1: { mean: 0.39, low: 0.36, high: 0.42, n: 1 }, vs_top: { difference: -0.01, low: -0.03, high: 0.01, p_holm: 0.4 } }),
  ];
  const html = markup({ rows });
  expect(html).toContain("selected best");
  expect(html).toContain("n = 1");
  expect(html).toContain("p = 0.40, open");
});

test("a difference that the data show is not called open", () => {
  const html = markup({ rows: [sampleRow(), sampleRow({ rank: 2, config_id: "b", vs_top: { difference: -0.1, low: -0.12, high: -0.08, p_holm: 0.001 } })] });
  expect(html).toContain("p = 0.001");
  expect(html).not.toContain("open");
});

test("a published row names its paper's terms and how well they are known", () => {
  const entry = sampleSota({
    method: "TResNet-L",
    year: 2021,
    backbone: "TResNet-L",
    resolution: 368,
    extra_data: "ImageNet-21k",
    selection: "best_on_test",
    confidence: "secondary",
    std: 0.001,
  });
  const html = markup({ sota: [entry] });
  for (const text of ["2021", "368 px", "ImageNet-21k", "best epoch on test", "secondary", "90.0%", "± 0.10 (std)"]) {
    expect(html).toContain(text);
  }
});

test("no inline style leaves the page's policy", () => {
  expect(markup({ rows: [sampleRow({ config_id: "a" })], sota: [sampleSota()] })).not.toContain("style=");
});
