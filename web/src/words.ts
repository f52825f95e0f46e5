// The page's language: chosen by hand and kept, else the browser's; texts, plurals, dates and sizes in it.
import { device } from "./storage";
import { en } from "./words/en";
import { fr } from "./words/fr";

export type Word = keyof typeof en;
type Counted = Word extends infer W ? (W extends `${infer Stem}_one` ? Stem : never) : never;
export type Language = "en" | "fr";

const KEPT = "convstore.language";
const TEXTS: Record<Language, Record<Word, string>> = { en, fr: spaced(fr) };

/** French sets a space before ; : ! ? and %, and within « », at which no line is broken (a narrow one before ; ! ?). */
function spaced(texts: Record<Word, string>): Record<Word, string> {
  const set = (text: string) => text.replace(/ ([;!?])/g, "\u202f$1").replace(/ ([:%»])/g, "\u00a0$1").replace(/« /g, "«\u00a0");
  return Object.fromEntries(Object.entries(texts).map(([word, text]) => [word, set(text)])) as Record<Word, string>;
}

const known = (tag: string): tag is Language => tag === "en" || tag === "fr";

function preferred(): Language {
  const kept = device.get(KEPT) ?? "";
  if (known(kept)) return kept;
  return navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find(known) ?? "en";
}

let current: Language = "en";
let locale = "en";
let plurals = new Intl.PluralRules("en");
let formats: Record<"time" | "day" | "date" | "full", Intl.DateTimeFormat>;

function use(chosen: Language): void {
  current = chosen;
  // Dates as in the reader's own region, where the browser names one for this language.
  locale = navigator.languages.find((tag) => tag.toLowerCase().startsWith(chosen)) ?? chosen;
  plurals = new Intl.PluralRules(locale);
  formats = {
    time: new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" }),
    day: new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" }),
    date: new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" }),
    full: new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" }),
  };
  document.documentElement.lang = chosen;
}

use(preferred());

export const language = (): Language => current;

export function setLanguage(chosen: Language): void {
  device.set(KEPT, chosen);
  use(chosen);
}

export function t(word: Word, values: Record<string, string | number> = {}): string {
  return TEXTS[current][word].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A text that counts something: `n` is formatted, and chooses between one and many. */
export function count(word: Counted, n: number): string {
  const form = plurals.select(n) === "one" ? "one" : "other";
  return t(`${word}_${form}`, { n: n.toLocaleString(locale) });
}

/** The server's dates are UTC, without saying so. */
const instant = (stamp: string): Date => new Date(/[Zz]|[+-]\d\d:?\d\d$/.test(stamp) ? stamp : `${stamp}Z`);

/** As short as can be: the time today, the day this year, else the date. */
export function shortly(stamp: string): string {
  const at = instant(stamp);
  const now = new Date();
  if (at.toDateString() === now.toDateString()) return formats.time.format(at);
  return (at.getFullYear() === now.getFullYear() ? formats.day : formats.date).format(at);
}

export const fully = (stamp: string): string => formats.full.format(instant(stamp));
export const machine = (stamp: string): string => instant(stamp).toISOString();

export function size(bytes: number): string {
  const [value, unit] =
    bytes < 1000 ? [bytes, "byte"] : bytes < 1e6 ? [bytes / 1e3, "kilobyte"] : [bytes / 1e6, "megabyte"];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 }).format(value);
}
