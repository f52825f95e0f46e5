// A new message: to people, groups and units, or to the help desk.
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../api";
import { askHelpDesk, findRecipients, send, type Me, type Person } from "../model";
import { tell } from "../said";
import { EMPTY, type Draft } from "../drafts";
import { useDraft } from "../use-draft";
import { t, type Word } from "../words";
import { Attachments } from "./attach";
import { Confirm, Icon, Problem, useFocusOn } from "./basics";
import { Several } from "./combobox";

interface Props {
  me: Me;
  /** The uid of somebody to write to. */
  to: string | undefined;
  back: string;
  onSent(uid: string, folder: "PRIVATE" | "TICKET"): void;
  onDiscard(): void;
}

type Wrong = Partial<Record<"to" | "subject" | "text" | "files", Word>>;

/** What is missing yet; told once one has tried to send, and for as long as it is. */
function lacking(draft: Draft, going: number): Wrong {
  const found: Wrong = {};
  if (!draft.toHelpDesk && !draft.to.length) found.to = "needTo";
  if (!draft.subject.trim()) found.subject = "needSubject";
  if (!draft.text.trim()) found.text = "needText";
  if (going && !draft.toHelpDesk) found.files = "needUploads";
  return found;
}

export function Write({ me, to, back, onSent, onDiscard }: Props) {
  const writing = useDraft(me, "new");
  const { draft, change, busy, problem } = writing;
  const [going, setGoing] = useState(0);
  const [tried, setTried] = useState(false);
  const [discarding, setDiscarding] = useState(false);
  const wrong = tried ? lacking(draft, going) : {};
  const heading = useRef<HTMLHeadingElement>(null);
  const form = useRef<HTMLFormElement>(null);
  useFocusOn(heading, "write");
  useEffect(() => {
    document.title = `${t("writeTitle")} – ${t("app")}`;
  }, []);
  useEffect(() => {
    if (!to) return;
    call<Person>(`userLookup/${to}`).then(
      ({ body: { id, displayName } }) => change((now) => ({ to: [...now.to.filter((each) => each.id !== id), { id, displayName, kind: "user" }] })),
      // He can still be looked up by name.
      () => tell(t("noSuggestions")),
    );
  }, [to]);

  function discard() {
    setDiscarding(false);
    writing.discard();
    tell(t("discarded"));
    onDiscard();
  }

  async function submit() {
    setTried(true);
    if (Object.keys(lacking(draft, going)).length) {
      // Once the fields say so.
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    let uid = "";
    const sent = await writing.send(async (letter) => {
      const subject = draft.subject.trim();
      uid = draft.toHelpDesk ? await askHelpDesk(subject, letter) : await send(subject, draft.to, letter);
    });
    if (!sent) return;
    setTried(false);
    onSent(uid, draft.toHelpDesk ? "TICKET" : "PRIVATE");
  }

  return (
    <section class="write" aria-labelledby="write-title">
      <div class="head">
        <a class="button quiet back" href={back}>
          <Icon name="back" />
          <span class="unseen">{t("cancel")}</span>
        </a>
        <h2 id="write-title" ref={heading} tabIndex={-1}>
          {t("writeTitle")}
        </h2>
      </div>
      <form
        ref={form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void submit();
        }}
      >
        <fieldset class="whom">
          <legend>{t("toWhom")}</legend>
          {([false, true] as const).map((desk) => (
            <label key={String(desk)} class="tick">
              <input type="radio" name="whom" checked={draft.toHelpDesk === desk} onChange={() => change({ toHelpDesk: desk })} />
              {t(desk ? "toHelpDesk" : "toPeople")}
            </label>
          ))}
        </fieldset>
        {!draft.toHelpDesk && (
          <Several
            label={t("to")}
            hint={t("toHint")}
            invalid={wrong.to && t(wrong.to)}
            chosen={draft.to}
            onChange={(chosen) => change({ to: chosen })}
            find={findRecipients}
          />
        )}
        <div class="field">
          <label for="subject">{t("subject")}</label>
          <input
            id="subject"
            type="text"
            dir="auto"
            maxLength={255}
            autocomplete="off"
            required
            value={draft.subject}
            aria-invalid={wrong.subject ? true : undefined}
            aria-describedby={wrong.subject ? "subject-wrong" : undefined}
            onInput={(event) => change({ subject: event.currentTarget.value })}
          />
          {wrong.subject && (
            <p class="wrong" id="subject-wrong">
              {t(wrong.subject)}
            </p>
          )}
        </div>
        <div class="field">
          <label for="text">{t("text")}</label>
          <textarea
            id="text"
            rows={10}
            dir="auto"
            required
            value={draft.text}
            aria-invalid={wrong.text ? true : undefined}
            aria-describedby={wrong.text ? "text-wrong" : undefined}
            onInput={(event) => change({ text: event.currentTarget.value })}
          />
          {wrong.text && (
            <p class="wrong" id="text-wrong">
              {t(wrong.text)}
            </p>
          )}
        </div>
        {!draft.toHelpDesk && (
          <Attachments
            attached={draft.attachments}
            onChange={(next) => change((now) => ({ attachments: next(now.attachments) }))}
            onGoing={setGoing}
          />
        )}
        {wrong.files && (
          <p class="wrong" role="alert">
            {t(wrong.files)}
          </p>
        )}
        {problem && <Problem text={problem} />}
        <div class="send">
          <button type="submit" class="main" aria-disabled={busy}>
            {t(busy ? "sending" : problem ? "sendAgain" : "send")}
          </button>
          <button
            type="button"
            class="quiet"
            onClick={() => (JSON.stringify(draft) === JSON.stringify(EMPTY) ? discard() : setDiscarding(true))}
          >
            {t("discard")}
          </button>
        </div>
      </form>
      {discarding && (
        <Confirm
          title={t("discardTitle")}
          text={t("discardText")}
          action={t("discard")}
          onYes={discard}
          onNo={() => setDiscarding(false)}
        />
      )}
    </section>
  );
}
