import { expect, test } from "vitest";

import { loginTokenIn } from "./session";

const TOKEN = "cvt_abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE";

test.each([
  [`#login=${TOKEN}`, TOKEN],
  [`http://127.0.0.1:7878/#login=${TOKEN}`, TOKEN],
  [`  http://127.0.0.1:7878/?dataset=a#login=${TOKEN}\n`, TOKEN],
  [TOKEN, TOKEN],
  ["#section", null],
  ["http://127.0.0.1:7878/", null],
  ["short", null],
  ["", null],
])("%s holds the token %s", (text, token) => {
  expect(loginTokenIn(text)).toBe(token);
});
