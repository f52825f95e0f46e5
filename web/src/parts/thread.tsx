import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { address, Failure } from "../api";
import { explain } from "../failing";
import { followUp, leave, markUnread, type Conversation, type File, type Me, type Message } from "../model";
import { announce, tell } from "../said";
import type { News } from "../use-inbox";
import { useThread, type Opened } from "../use-thread";
import { count, size, t } from "../words";
import { Confirm, Icon, Loading, Problem, Time, useFocusOn, Words } from "./basics";
import { People } from "./people";
import { ReplyForm } from "./reply";
import { Ticket } from "./ticket";

interface Props {
  me: Me;
  uid: string;
  /** When the list knows it. */
  subject: string | undefined;
  back: { href: string; label: string };
  news: News | undefined;
  reply: RefObject<HTMLTextAreaElement | null>;
  /** Something of it was changed: `part` shows at once, the list is asked for anew. */
  onChange(uid: string, part: Partial<Conversation>): void;
  onLeft(): void;
}

/** What the keys of the page do with the conversation that is open. */
export interface Doing {
  follow(): void;
  unread(): void;
}

export const doing: { current: Doing | undefined } = { current: undefined };

export function Thread({ me, uid, subject, back, news, reply, onChange, onLeft }: Props) {
  const { thread, problem, reload, change, loadEarlier } = useThread({
    uid,
    news,
    onRead: (read) => onChange(read, { read: true }),
    onNews: () => announce(t("newMessage")),
  });
  const heading = useRef<HTMLHeadingElement>(null);
  const section = useRef<HTMLElement>(null);
  const [leaving, setLeaving] = useState(false);
  useFocusOn(heading, uid);
  useEffect(() => {
    // The heading has the focus already, but could not say what it is.
    if (thread && !subject && document.activeElement === heading.current) announce(thread.subject);
  }, [thread === undefined]);

  async function act(part: Partial<Conversation>, done: string, action: () => Promise<unknown>) {
    try {
      await action();
      change(part);
      onChange(uid, part);
      tell(done);
    } catch (error) {
      if (!(error instanceof Failure && error.reason === "ended")) tell(explain(error));
    }
  }

  const follow = () =>
    thread?.participant && void act({ followUp: !thread.followUp }, t(thread.followUp ? "unfollowed" : "followed"), () => followUp(uid, !thread.followUp));
  const unread = () => thread?.participant && void act({ read: false }, t("markedUnread"), () => markUnread(uid));
  // Before the next key can come.
  useLayoutEffect(() => {
    doing.current = { follow, unread };
    return () => {
      doing.current = undefined;
    };
  });

  async function go() {
    setLeaving(false);
    try {
      const was = await leave(uid, me.id);
      tell(t(was ? "left" : "notIn"));
      if (was) onLeft();
    } catch (error) {
      tell(explain(error));
    }
  }

  return (
    <section class="thread" ref={section} aria-labelledby="thread-title" tabIndex={-1}>
      <div class="head">
        <a class="button quiet back" href={back.href}>
          <Icon name="back" />
          <span class="unseen">{back.label}</span>
        </a>
        <h2 id="thread-title" ref={heading} tabIndex={-1} dir="auto">
          {thread?.subject ?? subject ?? t(problem ? "conversation" : "loading")}
        </h2>
      </div>
      {problem && <Problem text={problem} again={() => void reload()} />}
      {!thread && !problem && <Loading lines={3} />}
      {thread && (
        <>
          {thread.participant ? (
            <div class="actions" role="group" aria-label={t("actions")}>
              <button type="button" class="quiet small" aria-pressed={thread.followUp} onClick={follow}>
                <Icon name="followup" />
                {t("follow")}
              </button>
              <button type="button" class="quiet small" onClick={unread}>
                {t("markUnread")}
              </button>
              <button type="button" class="quiet small" onClick={() => setLeaving(true)}>
                {t("leave")}
              </button>
            </div>
          ) : (
            <p class="hint">{t("notIn")}</p>
          )}
          <Ticket me={me} thread={thread} act={act} />
          <People me={me} thread={thread} onAdded={reload} />
          <Messages me={me} thread={thread} loadEarlier={loadEarlier} key={uid} />
          <ReplyForm
            me={me}
            thread={thread}
            field={reply}
            key={`reply ${uid}`}
            onSent={async () => {
              await reload();
              onChange(uid, {});
              section.current?.querySelector("article:last-of-type")?.scrollIntoView({ block: "nearest" });
              reply.current?.focus({ preventScroll: true });
            }}
          />
        </>
      )}
      {leaving && (
        <Confirm title={t("leaveTitle")} text={t("leaveText")} action={t("leave")} onYes={() => void go()} onNo={() => setLeaving(false)} />
      )}
    </section>
  );
}

function Messages({ me, thread, loadEarlier }: { me: Me; thread: Conversation; loadEarlier: Opened["loadEarlier"] }) {
  const list = useRef<HTMLDivElement>(null);
  const more = useRef<HTMLButtonElement>(null);
  const [loading, setLoading] = useState(false);
  // What was the first message, where it stood, and whether the focus is to go to what comes before it.
  const before = useRef<{ first: Element; top: number; focus: boolean } | undefined>(undefined);
  const hidden = thread.total - thread.messages.length;
  const first = thread.messages[0]?.id;

  // One begins to read at what is newest.
  useEffect(() => {
    if (thread.messages.length > 4) list.current?.querySelector("article:last-of-type")?.scrollIntoView({ block: "nearest" });
  }, []);

  // What one reads stays where it is; whoever came by keyboard goes on at the first of those that were before it.
  useLayoutEffect(() => {
    const was = before.current;
    before.current = undefined;
    if (!was?.first.isConnected) return;
    const pane = list.current?.closest(".pane");
    if (pane) pane.scrollTop += was.first.getBoundingClientRect().top - was.top;
    if (was.focus || !more.current) list.current?.querySelector<HTMLElement>("article h3")?.focus({ preventScroll: !was.focus });
  }, [first]);

  async function show(byKey: boolean) {
    if (loading) return;
    setLoading(true);
    try {
      const top = list.current?.querySelector("article");
      // Where it stands is looked at as late as can be: one may scroll meanwhile.
      const number = await loadEarlier(() => {
        if (top) before.current = { first: top, top: top.getBoundingClientRect().top, focus: byKey };
      });
      announce(count("earlierShown", number));
    } catch (error) {
      if (!(error instanceof Failure && error.reason === "ended")) tell(explain(error));
    } finally {
      setLoading(false);
    }
  }

  return (
    <div class="messages" ref={list} role="group" aria-label={t("messages")}>
      {hidden > 0 && (
        // A click of the keyboard has no place.
        <button ref={more} type="button" class="more" aria-disabled={loading} onClick={(event) => void show(event.detail === 0)}>
          {loading ? t("loading") : count("earlier", hidden)}
        </button>
      )}
      {thread.messages.map((message) => (
        <Said key={message.id} me={me} message={message} thread={thread} />
      ))}
    </div>
  );
}

function Said({ me, message, thread }: { me: Me; message: Message; thread: Conversation }) {
  const own = message.sender?.id === me.id;
  const name = message.sender?.displayName ?? t(thread.messageType === "PRIVATE" || thread.messageType === "TICKET" ? "unknownSender" : "systemSender");
  return (
    <article class={`message${own ? " own" : ""}${message.internal ? " internal" : ""}`} aria-labelledby={`by-${message.id}`}>
      <header>
        <h3 id={`by-${message.id}`} tabIndex={-1}>
          <Words>{name}</Words>
          {own && <span class="hint"> ({t("you")})</span>}
        </h3>
        <Time at={message.created} />
      </header>
      {message.internal && (
        <p class="badge">
          <Icon name="internal" />
          {t("internal")} · {t("internalHint")}
        </p>
      )}
      <div class="text" dir="auto">
        {message.text || <span class="hint">{t("noText")}</span>}
      </div>
      {message.attachments.length > 0 && (
        <ul class="files" aria-label={t("attachments")}>
          {message.attachments.map((file) => (
            <li key={file.id}>
              <Download thread={thread.id} message={message.id} file={file} />
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}

function Download({ thread, message, file }: { thread: string; message: string; file: File }) {
  const bytes = size(file.contentLength);
  return (
    <a
      class="file"
      href={address(`messageConversations/${thread}/${message}/attachments/${file.id}`)}
      download
      aria-label={t("download", { name: file.name, size: bytes })}
    >
      <Icon name="attach" />
      <Words>{file.name}</Words> <span class="hint">{bytes}</span>
    </a>
  );
}
