import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import { reply, type Conversation, type Me } from "../model";
import { useDraft } from "../use-draft";
import { t, type Word } from "../words";
import { Attachments } from "./attach";
import { Problem } from "./basics";

interface Props {
  me: Me;
  thread: Conversation;
  field: RefObject<HTMLTextAreaElement | null>;
  onSent(): Promise<void>;
}

const MOST_LINES = 14;

export function ReplyForm({ me, thread, field, onSent }: Props) {
  const writing = useDraft(me, thread.id);
  const { draft, change, busy, problem } = writing;
  const [going, setGoing] = useState(0);
  const [tried, setTried] = useState(false);
  const lacks: Word | undefined = !draft.text.trim() ? "needText" : going ? "needUploads" : undefined;
  const wrong = tried ? lacks : undefined;
  const internal = me.manager && draft.internal;

  async function submit() {
    setTried(true);
    if (lacks) {
      field.current?.focus();
      return;
    }
    if (!(await writing.send(async (letter) => void (await reply(thread.id, letter, internal))))) return;
    setTried(false);
    await onSent();
  }

  return (
    <form
      class={internal ? "reply internal" : "reply"}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void submit();
      }}
    >
      <label for="reply">{t("replyTo")}</label>
      <textarea
        ref={field}
        id="reply"
        dir="auto"
        rows={Math.min(Math.max(3, draft.text.split("\n").length + 1), MOST_LINES)}
        value={draft.text}
        aria-invalid={wrong ? true : undefined}
        aria-describedby={wrong ? "reply-wrong" : undefined}
        onInput={(event) => change({ text: event.currentTarget.value })}
      />
      {wrong && (
        <p class="wrong" id="reply-wrong">
          {t(wrong)}
        </p>
      )}
      {problem && <Problem text={problem} />}
      <Attachments
        attached={draft.attachments}
        onChange={(next) => change((now) => ({ attachments: next(now.attachments) }))}
        onGoing={setGoing}
      />
      <div class="send">
        {me.manager && (
          <label class="tick">
            <input type="checkbox" checked={draft.internal} onChange={(event) => change({ internal: event.currentTarget.checked })} />
            {t("replyInternal")}
          </label>
        )}
        <button type="submit" class="main" aria-disabled={busy}>
          {t(busy ? "sending" : problem ? "sendAgain" : "send")}
        </button>
      </div>
    </form>
  );
}
