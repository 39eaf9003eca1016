import { expect, test } from "vitest";

import { sampleRow, sampleTrial } from "../testing/samples";
import { followed, groupsOf, type Group } from "./choice";

const running = (...ids: string[]) => ids.map((id) => ({ id, label: id, seed: 0 }));
const failed = (...ids: string[]) => ids.map((id) => sampleTrial({ id, label: id, state: "failed" }));

function check(groups: Group[], expected: Record<string, string[]>) {
  expect(Object.fromEntries(groups.map(({ name, choices }) => [name, choices.map(({ text }) => text)]))).toEqual(expected);
}

test("running, failed and ticked trials can be chosen, each once", () => {
  check(groupsOf([], [], []), {});
  check(groupsOf(running("a"), failed("b", "a", "c"), []), {
    Running: ["a · seed 0"],
    "Failed, newest first": ["c · seed 0", "b · seed 0"],
  });
});

test("of a row with several seeds each run can be chosen", () => {
  const rows = [sampleRow({ trials: ["t1", "t2"] }), sampleRow({ rank: 2, trials: ["t3"], optimizer: "sgd" })];
  check(groupsOf([], [], rows), { "Ticked rows": ["#1 adamw 3e-3 · run 1", "#1 adamw 3e-3 · run 2", "#2 sgd 3e-3"] });
});

test("a trial without a name yet has no seed either", () => {
  check(groupsOf([{ id: "a", label: "running trial", seed: null }], [], []), { Running: ["running trial"] });
});

test("the newest failed trials are enough", () => {
  const many = failed(...Array.from({ length: 80 }, (_, i) => `t${i}`));
  const [group] = groupsOf([], many, []);
  expect(group!.choices).toHaveLength(50);
  expect(group!.choices[0]!.id).toBe("t79");
});

test("a running trial is followed to its end, then the next", () => {
  const groups = groupsOf([], failed("f"), []);
  expect(followed(null, [], [])).toBeNull();
  expect(followed(null, [], groups)).toBe("f");
  expect(followed("f", running("a"), groups)).toBe("a");
  expect(followed("b", running("a", "b"), groups)).toBe("b");
  expect(followed("b", [], groups)).toBe("b");
  expect(followed("b", running("c"), groups)).toBe("c");
});
