import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { address, Failure } from "../api";
import { explain } from "../failing";
import { followUp, leave, markUnread, type Conversation, type File, type Me, type Message } from "../model";
import { announce, tell } from "../said";
import { useThread } from "../use-thread";
import { count, size, t } from "../words";
import { Dialog, Icon, Loading, Problem, Time, useFocusOn, Words } from "./basics";
import { People } from "./people";
import { ReplyForm } from "./reply";
import { Ticket } from "./ticket";

// Of a long conversation so many messages are shown at first.
const LATEST = 20;

interface Props {
  me: Me;
  uid: string;
  /** When the list knows it. */
  subject: string | undefined;
  back: { href: string; label: string };
  tick: number;
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

export function Thread({ me, uid, subject, back, tick, reply, onChange, onLeft }: Props) {
  const { thread, problem, reload, change } = useThread({
    uid,
    tick,
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
    thread && void act({ followUp: !thread.followUp }, t(thread.followUp ? "unfollowed" : "followed"), () => followUp(uid, !thread.followUp));
  const unread = () => thread && void act({ read: false }, t("markedUnread"), () => markUnread(uid));
  // Before the next key can come.
  useLayoutEffect(() => {
    doing.current = { follow, unread };
    return () => {
      doing.current = undefined;
    };
  });

  return (
    <section class="thread" ref={section} aria-labelledby="thread-title" tabIndex={-1}>
      <div class="head">
        <a class="button quiet back" href={back.href}>
          <Icon name="back" />
          <span class="unseen">{back.label}</span>
        </a>
        <h2 id="thread-title" ref={heading} tabIndex={-1} dir="auto">
          {thread?.subject ?? subject ?? t("loading")}
        </h2>
      </div>
      {problem && <Problem text={problem} again={() => void reload()} />}
      {!thread && !problem && <Loading lines={3} />}
      {thread && (
        <>
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
          <Ticket me={me} thread={thread} act={act} />
          <People me={me} thread={thread} onAdded={reload} />
          <Messages me={me} thread={thread} key={uid} />
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
        <Dialog title={t("leaveTitle")} onClose={() => setLeaving(false)}>
          <p>{t("leaveText")}</p>
          <div class="send">
            <button
              type="button"
              class="main"
              onClick={async () => {
                setLeaving(false);
                try {
                  const was = await leave(uid, me.id);
                  tell(t(was ? "left" : "notIn"));
                  if (was) onLeft();
                } catch (error) {
                  tell(explain(error));
                }
              }}
            >
              {t("leave")}
            </button>
            <button type="button" class="quiet" onClick={() => setLeaving(false)}>
              {t("cancel")}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

function Messages({ me, thread }: { me: Me; thread: Conversation }) {
  const [all, setAll] = useState(false);
  const list = useRef<HTMLDivElement>(null);
  const hidden = all ? 0 : Math.max(0, thread.messages.length - LATEST);
  // One begins to read at what is newest.
  useEffect(() => {
    if (thread.messages.length > 4) list.current?.querySelector("article:last-of-type")?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <div class="messages" ref={list} role="group" aria-label={t("messages")}>
      {hidden > 0 && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          {count("earlier", hidden)}
        </button>
      )}
      {thread.messages.slice(hidden).map((message) => (
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
        <h3 id={`by-${message.id}`}>
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
