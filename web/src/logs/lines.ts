/** A trial's log as the page keeps it: the server's text read into lines, new ones put at the end. Pure. */

export interface LogLine {
  /** Counts the lines that were read: what a line is known by while others come and go. */
  no: number;
  /** Number of the attempt that wrote it. */
  attempt: number;
  text: string;
}

export interface Log {
  lines: readonly LogLine[];
  /** Where the last line stands, in the server's words; null before there is one. */
  cursor: string | null;
}

/** Lines of one attempt. */
export interface Block {
  attempt: number;
  lines: readonly LogLine[];
}

export const NO_LOG: Log = { lines: [], cursor: null };

/** Lines kept: the last ones. */
export const MAX_LINES = 2000;

const ANNOUNCEMENT = /^--- attempt (\d+)$/;

/** Takes an answer of the server, in which a line announces each attempt; the same log where nothing came. */
export function appendText(log: Log, text: string, cursor: string | null): Log {
  if (text === "") return log;
  const added: LogLine[] = [];
  let no = (log.lines.at(-1)?.no ?? 0) + 1;
  let attempt = 0;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const announced = Number(ANNOUNCEMENT.exec(line)?.[1] ?? 0);
    // Attempts only go up: another line of this form is the trainer's own.
    if (announced > attempt) attempt = announced;
    else added.push({ no: no++, attempt, text: line });
  }
  return { lines: [...log.lines, ...added].slice(-MAX_LINES), cursor: cursor ?? log.cursor };
}

/** Lines by attempt, in their order. */
export function blocksOf(lines: readonly LogLine[]): Block[] {
  const blocks: { attempt: number; lines: LogLine[] }[] = [];
  for (const line of lines) {
    const last = blocks.at(-1);
    if (last?.attempt === line.attempt) last.lines.push(line);
    else blocks.push({ attempt: line.attempt, lines: [line] });
  }
  return blocks;
}

/** Whether earlier lines than these were read. */
export function isCut(log: Log): boolean {
  return (log.lines[0]?.no ?? 1) > 1;
}
