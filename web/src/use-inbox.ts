// The list of a folder with its counts, kept fresh: asked for again when the server tells of a change, and whenever
// something was done; while the server cannot tell, every few seconds. What has not changed costs a 304.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./api";
import { explain } from "./failing";
import { follow, type Changed } from "./live";
import { counts as fetchCounts, list, PAGE_SIZE, type Counts, type Me, type Row } from "./model";
import { TICKETY, type Route } from "./route";

// How often to ask while the server cannot tell; beside what it tells, for tickets that one has no copy of; and for the
// number in the title, while nobody looks.
const EVERY_MS = 20_000;
const BESIDE_MS = 60_000;
const AWAY_MS = 60_000;
// A list that was scrolled far is refreshed as far as this, in one page.
const MOST = 200;

export interface Inbox {
  rows: Row[] | undefined;
  counts: Counts | undefined;
  /** There are more than are loaded. */
  more: boolean;
  loadingMore: boolean;
  problem: string;
  /** The server does not answer just now; what is shown may be old. */
  failing: boolean;
  /** Where in the log the list stands (`upTo` of marking all read). */
  upTo: string;
  /** Another one whenever something new may have come. */
  news: News | undefined;
  refresh(): Promise<void>;
  loadMore(): Promise<void>;
  /** Shows what was done before the server's own list does. */
  change(uid: string, part: Partial<Row>): void;
}

export interface News {
  uids: Changed;
}

interface Listed {
  rows: Row[];
  cursor: string | undefined;
  size: number;
  etag: string | undefined;
}

export function useInbox(me: Me, wanted: Route, onNews: () => void): Inbox {
  const [listed, setListed] = useState<Listed | undefined>();
  const [counts, setCounts] = useState<Counts | undefined>();
  const [problem, setProblem] = useState("");
  const [failing, setFailing] = useState(false);
  const [loadingMore, setLoadingMore] = useState(false);
  const [news, setNews] = useState<News | undefined>();
  const [live, setLive] = useState(false);
  const turns = useRef({ last: 0, shown: 0 });
  const upTo = useRef("");
  const countsTag = useRef<string | undefined>(undefined);
  const key = JSON.stringify([wanted.folder, wanted.search, wanted.unread, wanted.status]);
  // Of the conversation that is open, its own view tells.
  const now = useRef({ key, listed, onNews, open: wanted.uid });
  now.current = { key, listed, onNews, open: wanted.uid };

  /** Fetches what is shown anew; `fresh`: another list, from its beginning. */
  const fetchList = useCallback(
    async (fresh: boolean) => {
      const before = fresh ? undefined : now.current.listed;
      const size = Math.min(Math.max(PAGE_SIZE, before?.rows.length ?? 0), MOST);
      const turn = ++turns.current.last;
      const answer = await list(wanted, me, { size, cursor: "" }, before?.size === size ? before.etag : undefined);
      // What was asked for later may have come before.
      if (now.current.key !== key || turn < turns.current.shown) return;
      turns.current.shown = turn;
      upTo.current = answer.header("Convstore-Cursor") ?? upTo.current;
      setProblem("");
      if (answer.status === 304) return;
      const { messageConversations: rows, pager } = answer.body;
      const known = new Map(before?.rows.map((row) => [row.id, row.lastMessage]));
      if (before && rows.some((row) => !row.read && known.get(row.id) !== row.lastMessage && row.lastSender?.id !== me.id && row.id !== now.current.open)) now.current.onNews();
      // What lies beyond what is refreshed stays as it was.
      const fresher = new Set(rows.map((row) => row.id));
      const rest = size === MOST && before ? before.rows.slice(MOST).filter((row) => !fresher.has(row.id)) : [];
      setListed({ rows: [...rows, ...rest], cursor: rest.length ? before?.cursor : pager.nextCursor, size, etag: answer.etag });
    },
    [key, me],
  );

  const fetchBadge = useCallback(async () => {
    const answer = await fetchCounts(countsTag.current);
    if (answer.status === 304) return;
    countsTag.current = answer.etag;
    setCounts(answer.body);
  }, []);

  /** `uids`: what it is about, where that is known. `badge`: the numbers only. */
  const fetchAll = useCallback(
    async (fresh: boolean, { uids, badge }: { uids?: Changed; badge?: boolean } = {}) => {
      try {
        await Promise.all([fetchBadge(), badge || fetchList(fresh)]);
        setFailing(false);
        if (!badge) setNews({ uids });
      } catch (error) {
        if (error instanceof Failure && error.reason === "ended") return;
        if (now.current.key !== key) return;
        if (!fresh) setFailing(true);
        else setProblem(explain(error));
      }
    },
    [fetchList, fetchBadge],
  );

  const refresh = useRef(fetchAll);
  refresh.current = fetchAll;
  const begun = useRef<Promise<void> | undefined>(undefined);

  useEffect(() => {
    setListed(undefined);
    setProblem("");
    const coming = fetchAll(true);
    begun.current ??= coming;
  }, [fetchAll]);

  // One stream for all folders. It begins where the first list stands.
  useEffect(() => {
    let stop: (() => void) | undefined;
    let left = false;
    void begun.current?.then(() => {
      if (left) return;
      stop = follow(upTo.current, {
        changed: (uids) => refresh.current(now.current.listed === undefined, { uids }),
        live: setLive,
      });
    });
    return () => {
      left = true;
      stop?.();
    };
  }, []);

  // The stream tells of one's own copies; those who work on tickets see more.
  const every = !live ? EVERY_MS : me.manager && TICKETY.includes(wanted.folder) ? BESIDE_MS : 0;
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === "visible" && navigator.onLine) void refresh.current(now.current.listed === undefined);
    };
    const lookAway = () => {
      if (document.visibilityState !== "visible" && navigator.onLine) void refresh.current(false, { badge: true });
    };
    const timers = [every ? setInterval(look, every) : 0, setInterval(lookAway, AWAY_MS)];
    document.addEventListener("visibilitychange", look);
    window.addEventListener("online", look);
    return () => {
      timers.forEach(clearInterval);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("online", look);
    };
  }, [every]);

  const loadMore = async () => {
    if (!listed?.cursor || loadingMore) return;
    setLoadingMore(true);
    try {
      const answer = await list(wanted, me, { size: PAGE_SIZE, cursor: listed.cursor });
      if (now.current.key !== key) return;
      const { messageConversations: rows, pager } = answer.body;
      setListed((all) => {
        const there = new Set(all?.rows.map((row) => row.id));
        return {
          rows: [...(all?.rows ?? []), ...rows.filter((row) => !there.has(row.id))],
          cursor: pager.nextCursor,
          // Of the first page only: the whole is refreshed once it has been asked for as a whole.
          size: all?.size ?? PAGE_SIZE,
          etag: all?.etag,
        };
      });
      setProblem("");
    } catch (error) {
      if (!(error instanceof Failure && error.reason === "ended")) setProblem(explain(error));
    } finally {
      setLoadingMore(false);
    }
  };

  return {
    rows: listed?.rows,
    counts,
    more: listed?.cursor !== undefined,
    loadingMore,
    problem,
    failing,
    upTo: upTo.current,
    news,
    refresh: () => fetchAll(now.current.listed === undefined),
    loadMore,
    change: (uid, part) =>
      setListed((all) => all && { ...all, rows: all.rows.map((row) => (row.id === uid ? { ...row, ...part } : row)) }),
  };
}
