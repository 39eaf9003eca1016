/** Numbers as people read them. Accuracies come in as fractions and leave as percent. */

const MINUS = "\u2212";
const THIN_SPACE = "\u2009";
export const NOTHING = "\u2013";

type Maybe = number | null | undefined;

function isNumber(value: Maybe): value is number {
  return value != null && Number.isFinite(value);
}

/** A fraction as a percentage without its sign: 0.5231 -> "52.3". */
export function percent(fraction: Maybe, digits = 1): string {
  return isNumber(fraction) ? fixed(fraction * 100, digits) : NOTHING;
}

/** A difference of fractions in signed percentage points: -0.021 -> "−2.1". */
export function points(difference: Maybe, digits = 1): string {
  if (!isNumber(difference)) return NOTHING;
  const text = fixed(difference * 100, digits);
  return Number(text.replace(MINUS, "-")) > 0 ? `+${text}` : text;
}

/** An interval of fractions in percent: "49.8 – 54.7". */
export function percentRange(low: Maybe, high: Maybe, digits = 1): string {
  return `${percent(low, digits)}${THIN_SPACE}–${THIN_SPACE}${percent(high, digits)}`;
}

/** An interval of differences in signed points: "−3.9 to −0.4". */
export function pointsRange(low: Maybe, high: Maybe, digits = 1): string {
  return `${points(low, digits)} to ${points(high, digits)}`;
}

/** A p value: "p < 0.001", "p = 0.012", "p = 0.31". */
export function pValue(p: Maybe): string {
  if (!isNumber(p)) return NOTHING;
  if (p < 0.001) return "p < 0.001";
  return `p = ${p < 0.1 ? p.toFixed(3) : p.toFixed(2)}`;
}

/** A whole number with thousands separated: 4040 -> "4,040". */
export function count(value: Maybe): string {
  return isNumber(value) ? Math.round(value).toLocaleString("en-US") : NOTHING;
}

/** A loss, or any plain metric: three decimals. */
export function decimal(value: Maybe, digits = 3): string {
  return isNumber(value) ? fixed(value, digits) : NOTHING;
}

/** A learning rate: 0.0003 -> "3e-4", 0.05 -> "0.05". */
export function learningRate(lr: Maybe): string {
  if (!isNumber(lr)) return NOTHING;
  if (lr === 0 || lr >= 0.01) return String(Number(lr.toPrecision(3)));
  return Number(lr.toPrecision(3)).toExponential().replace("e+", "e");
}

/** A length of time in its two largest units: 65 -> "1 min 05 s". */
export function duration(seconds: Maybe): string {
  if (!isNumber(seconds) || seconds < 0) return NOTHING;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  const min = Math.round(s / 60);
  if (min < 24 * 60) return `${Math.floor(min / 60)} h ${two(min % 60)} min`;
  const hours = Math.round(min / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A length of time in one unit, for narrow columns: 128 -> "2.1 min". */
export function shortDuration(seconds: Maybe): string {
  if (!isNumber(seconds) || seconds < 0) return NOTHING;
  const [size, unit] = seconds < 60 ? [1, "s"] : seconds < 3600 ? [60, "min"] : seconds < 86400 ? [3600, "h"] : [86400, "d"];
  const value = seconds / size;
  return `${value < 10 ? value.toFixed(1) : Math.floor(value)} ${unit}`;
}

/** A countdown, coarse enough not to flicker: "50 s", "1 min 20 s", "14 min". */
export function eta(seconds: Maybe): string {
  if (!isNumber(seconds) || seconds < 0) return NOTHING;
  if (seconds < 10) return "< 10 s";
  if (seconds < 600) return duration(Math.round(seconds / 5) * 5);
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return duration(seconds);
}

/** Images per second: three significant digits. */
export function rate(perSecond: Maybe): string {
  if (!isNumber(perSecond)) return NOTHING;
  return perSecond >= 100 ? count(perSecond) : String(Number(perSecond.toPrecision(3)));
}

/** A word of the wire in words: "one_cycle" -> "one cycle". */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

/** "1 seed", "3 seeds". */
export function plural(n: number, noun: string, nouns = `${noun}s`): string {
  return `${count(n)} ${n === 1 ? noun : nouns}`;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** `toFixed` with a true minus sign and without a negative zero. */
function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", MINUS);
}
