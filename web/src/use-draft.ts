// A message that is being written: kept at each key, sent under one key.
import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./api";
import * as drafts from "./drafts";
import type { Draft } from "./drafts";
import { explain } from "./failing";
import type { Letter, Me } from "./model";
import { tell } from "./said";
import { t } from "./words";

export interface Writing {
  draft: Draft;
  change(part: Partial<Draft> | ((draft: Draft) => Partial<Draft>)): void;
  busy: boolean;
  /** Why it was not sent; the draft is still there. */
  problem: string;
  /** Gives whether it was sent. */
  send(how: (letter: Letter) => Promise<void>): Promise<boolean>;
  discard(): void;
}

export function useDraft(me: Me, what: string): Writing {
  const [draft, setDraft] = useState<Draft>(() => drafts.load(me.id, what));
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const untouched = useRef(true);
  const going = useRef(false);

  useEffect(() => {
    // Not the one that was just loaded: what it was tried under would be the same, but nothing was written.
    if (untouched.current) untouched.current = false;
    else if (JSON.stringify(draft) === JSON.stringify(drafts.EMPTY)) drafts.drop(me.id, what);
    else drafts.save(me.id, what, draft);
  }, [draft]);

  return {
    draft,
    change: (part) => setDraft((now) => ({ ...now, ...(typeof part === "function" ? part(now) : part) })),
    busy,
    problem,
    async send(how) {
      if (going.current) return false;
      going.current = true;
      setBusy(true);
      setProblem("");
      try {
        await how({ text: draft.text, attachments: draft.attachments, key: drafts.keyOf(me.id, what, draft) });
        drafts.drop(me.id, what);
        // Who writes an internal message does not mean the next one for everybody without saying so.
        setDraft({ ...drafts.EMPTY, internal: draft.internal });
        tell(t("sent"));
        return true;
      } catch (error) {
        if (!(error instanceof Failure && error.reason === "ended")) setProblem(`${explain(error)} ${t("draftKept")}`);
        return false;
      } finally {
        going.current = false;
        setBusy(false);
      }
    },
    discard() {
      drafts.drop(me.id, what);
      setDraft(drafts.EMPTY);
      setProblem("");
    },
  };
}
