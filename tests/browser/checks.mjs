// Named checks with deadlines: each prints one line, the last line counts them.

export class Checks {
  passed = 0;
  failed = 0;

  /** Runs one check; what it throws is the sentence that says why not. */
  async run(name, body) {
    try {
      const note = await body();
      this.passed += 1;
      console.log(`ok      ${name}${note ? `: ${note}` : ""}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAILED  ${name}: ${error.message.split("\n")[0]}`);
    }
  }

  /** Prints the closing line; the exit status to leave with. */
  close() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    return this.failed === 0 ? 0 : 1;
  }
}

export function expect(condition, sentence) {
  if (!condition) throw new Error(sentence);
}

/** Asks `probe` until it gives something true, and returns that. `what` completes "after 30 s there was still no ...". */
export async function eventually(what, seconds, probe) {
  const deadline = Date.now() + seconds * 1000;
  let lastError;
  for (;;) {
    try {
      const found = await probe();
      if (found) return found;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`after ${seconds} s there was still no ${what}${lastError ? ` (${lastError.message.split("\n")[0]})` : ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
