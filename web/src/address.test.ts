import { expect, test } from "vitest";

import { addressWith, type Words } from "./address";

test.each<[string, Words, string]>([
  ["http://a/", { dataset: "cars" }, "http://a/?dataset=cars"],
  ["http://a/?dataset=cars&trial=t1", { dataset: "birds", trial: null }, "http://a/?dataset=birds"],
  ["http://a/?theme=x", { trial: "a/b" }, "http://a/?theme=x&trial=a%2Fb"],
])("%s with %o is %s", (href, words, expected) => {
  expect(addressWith(href, words)).toBe(expected);
});
