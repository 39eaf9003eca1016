// Writes src/api/schema.d.ts from the repository's openapi.json; with --check, fails where it is stale.

import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../openapi.json", import.meta.url);
const target = new URL("../src/api/schema.d.ts", import.meta.url);
const HEAD = "// Generated from openapi.json by `npm run api`; edits are lost.\n\n";

const wanted = HEAD + astToString(await openapiTS(source, { alphabetize: true }));
if (!process.argv.includes("--check")) {
  await writeFile(target, wanted);
} else if ((await readFile(target, "utf8")) !== wanted) {
  console.error("src/api/schema.d.ts is not what openapi.json says: run `npm run api` in web/ and commit the result");
  process.exitCode = 1;
}
