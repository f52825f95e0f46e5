import type { RefObject } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { explain } from "../failing";
import { markAllRead, STATUSES, type Row } from "../model";
import { read, TICKETY, write, type Route } from "../route";
import { announce, tell } from "../said";
import type { Inbox } from "../use-inbox";
import { count, t } from "../words";
import { Empty, Icon, Loading, Problem, Time, useFocusOn, Words } from "./basics";

// While one types, what is looked for changes this long after the last key.
const PAUSE_MS = 350;

interface Props {
  route: Route;
  inbox: Inbox;
  search: RefObject<HTMLInputElement | null>;
}

/** Goes to another list without another step in the browser's history. */
function narrow(route: Route, part: Partial<Route>): void {
  const here = read(location.hash);
  location.replace(write({ ...here, folder: route.folder, ...part }));
}

export function List({ route, inbox, search }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { rows } = inbox;
  useFocusOn(heading, route.folder);
  useEffect(() => {
    if (rows) announce(inbox.more ? t("shownMore", { n: rows.length }) : count("shown", rows.length));
  }, [rows === undefined, route.folder, route.search, route.unread, route.status]);

  // Whoever came by keyboard goes on at the first of the new ones, as does everybody when the button goes.
  async function more(byKey: boolean) {
    const [last] = [...document.querySelectorAll("a.row")].slice(-1);
    await inbox.loadMore();
    requestAnimationFrame(() => {
      const next = last?.parentElement?.nextElementSibling?.querySelector<HTMLElement>("a.row");
      if (byKey) next?.focus();
      else if (document.activeElement === document.body) next?.focus({ preventScroll: true });
    });
  }

  return (
    <section class="list" aria-labelledby="list-title">
      <div class="head">
        <h2 id="list-title" ref={heading} tabIndex={-1}>
          {t(route.folder)}
        </h2>
        <MarkAll route={route} inbox={inbox} />
      </div>
      <Search route={route} field={search} />
      <div class="filters">
        <label class="tick">
          <input type="checkbox" checked={route.unread} onChange={(event) => narrow(route, { unread: event.currentTarget.checked })} />
          {t("unreadOnly")}
        </label>
        {TICKETY.includes(route.folder) && (
          <select
            aria-label={t("status")}
            value={route.status}
            onChange={(event) => narrow(route, { status: STATUSES.find((each) => each === event.currentTarget.value) ?? "" })}
          >
            <option value="">{t("anyStatus")}</option>
            {STATUSES.map((status) => (
              <option key={status} value={status}>
                {t(status)}
              </option>
            ))}
          </select>
        )}
      </div>
      {inbox.problem && <Problem text={inbox.problem} again={() => void inbox.refresh()} />}
      {!rows && !inbox.problem && <Loading lines={6} />}
      {rows && rows.length === 0 && !inbox.problem && <Nothing route={route} />}
      {rows && rows.length > 0 && (
        <ul class="rows">
          {rows.map((row) => (
            <li key={row.id}>
              <Line row={row} route={route} />
            </li>
          ))}
        </ul>
      )}
      {rows && inbox.more && (
        <button type="button" class="more" aria-disabled={inbox.loadingMore} onClick={(event) => void more(event.detail === 0)}>
          {t(inbox.loadingMore ? "loading" : "more")}
        </button>
      )}
    </section>
  );
}

function Line({ row, route }: { row: Row; route: Route }) {
  const sender = row.lastSender?.displayName ?? t(row.messageType === "PRIVATE" || row.messageType === "TICKET" ? "unknownSender" : "systemSender");
  const open = route.uid === row.id;
  return (
    <a
      class={row.read ? "row" : "row new"}
      data-uid={row.id}
      href={write({ ...route, uid: row.id, writing: false })}
      aria-current={open ? "true" : undefined}
    >
      <span class="from">
        {!row.read && <span class="unseen">{t("labelled", { label: t("unread"), value: "" })}</span>}
        <Words>{sender}</Words>
      </span>
      <Time at={row.lastMessage} />
      <span class="subject" dir="auto">
        {row.subject}
      </span>
      <span class="marks">
        {row.followUp && (
          <span class="flag" title={t("flagged")}>
            <Icon name="followup" />
            <span class="unseen">{t("flagged")}</span>
          </span>
        )}
        {row.priority === "HIGH" && <span class="mark high">{t("HIGH")}</span>}
        {row.status !== "NONE" && <span class={`mark ${row.status.toLowerCase()}`}>{t(row.status)}</span>}
      </span>
    </a>
  );
}

function Search({ route, field }: { route: Route; field: RefObject<HTMLInputElement | null> }) {
  const id = useId();
  const [text, setText] = useState(route.search);
  const typed = useRef(route.search);
  // The address changed by itself: another folder, or the way back.
  useEffect(() => {
    if (typed.current !== route.search) {
      typed.current = route.search;
      setText(route.search);
    }
  }, [route.search, route.folder]);
  useEffect(() => {
    if (text.trim() === typed.current) return undefined;
    const timer = setTimeout(() => {
      typed.current = text.trim();
      narrow(route, { search: typed.current });
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <form class="search" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="unseen" for={id}>
        {t("searchIn", { folder: t(route.folder) })}
      </label>
      <Icon name="search" />
      <input
        ref={field}
        id={id}
        type="search"
        placeholder={t("search")}
        autocomplete="off"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </form>
  );
}

function MarkAll({ route, inbox }: { route: Route; inbox: Inbox }) {
  const [busy, setBusy] = useState(false);
  const { folder } = route;
  // The server marks by type; a folder across types, or a search, is no such thing.
  if (folder === "followup" || folder === "mine" || route.search || route.status || !inbox.counts) return null;
  const unread = folder === "all" ? inbox.counts.unread : inbox.counts.messageTypes[folder].unread;
  if (unread === 0) return null;
  async function mark() {
    setBusy(true);
    try {
      tell(count("markedAll", await markAllRead(folder, inbox.upTo)));
      await inbox.refresh();
    } catch (error) {
      tell(explain(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <button type="button" class="quiet small" aria-disabled={busy} onClick={() => !busy && void mark()}>
      {t("markAllRead")}
    </button>
  );
}

function Nothing({ route }: { route: Route }) {
  if (route.search || route.status) return <Empty icon="search" title="emptyFound" hint="emptyFoundHint" />;
  if (route.unread) return <Empty icon={route.folder} title="emptyUnread" hint="emptyUnreadHint" />;
  if (route.folder === "followup") return <Empty icon="followup" title="emptyFollowup" hint="emptyFollowupHint" />;
  if (route.folder === "mine") return <Empty icon="mine" title="emptyMine" />;
  return <Empty icon={route.folder} title="emptyAll" hint="emptyAllHint" />;
}
