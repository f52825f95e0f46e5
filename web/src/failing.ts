// What went wrong, in the reader's words.
import { Failure } from "./api";
import { size, t, type Word } from "./words";

// The server says these in English; the rest is shown as it is.
const KNOWN: [RegExp, Word][] = [
  [/^Account locked/, "accountLocked"],
  [/^Account disabled/, "accountDisabled"],
  [/^No recipients selected/, "errNoRecipients"],
  [/^Could not read file or file is empty/, "errFileEmpty"],
  [/^Attachment '.*' (not found|is already used)/, "errUsed"],
  [/not a member of the system's feedback recipient group/, "errNotDesk"],
];

export function explain(error: unknown): string {
  if (!(error instanceof Failure)) throw error;
  const { reason, status, message } = error;
  if (reason === "offline") return t("errOffline");
  if (reason === "busy") return t("errBusy");
  if (reason === "broken") return t("errBroken", { status });
  const known = KNOWN.find(([pattern]) => pattern.test(message));
  if (known) return t(known[1]);
  const large = /^File size can't be bigger than (\d+)/.exec(message);
  if (large) return t("errTooLarge", { size: size(Number(large[1])) });
  if (reason === "ended") return t("sessionEnded");
  if (status === 403) return t("errForbidden");
  if (status === 404) return t("errMissing");
  return `${t("errRefused")} ${message}`;
}
