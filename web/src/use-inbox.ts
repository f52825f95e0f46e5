// The list of a folder with its counts, kept fresh: asked for again while the page is looked at, and whenever something
// was done. What has not changed costs a 304.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./api";
import { explain } from "./failing";
import { counts as fetchCounts, list, PAGE_SIZE, type Counts, type Me, type Row, type Wanted } from "./model";

const EVERY_MS = 20_000;
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
  /** Goes up whenever something new may have come. */
  tick: number;
  refresh(): Promise<void>;
  loadMore(): Promise<void>;
  /** Shows what was done before the server's own list does. */
  change(uid: string, part: Partial<Row>): void;
}

interface Listed {
  rows: Row[];
  cursor: string | undefined;
  size: number;
  etag: string | undefined;
}

export function useInbox(me: Me, wanted: Wanted, onNews: () => void): Inbox {
  const [listed, setListed] = useState<Listed | undefined>();
  const [counts, setCounts] = useState<Counts | undefined>();
  const [problem, setProblem] = useState("");
  const [failing, setFailing] = useState(false);
  const [loadingMore, setLoadingMore] = useState(false);
  const [tick, setTick] = useState(0);
  const upTo = useRef("");
  const countsTag = useRef<string | undefined>(undefined);
  const now = useRef<{ key: string; listed: Listed | undefined; news: () => void }>({ key: "", listed: undefined, news: onNews });
  const key = JSON.stringify([wanted.folder, wanted.search, wanted.unread, wanted.status]);
  now.current = { key, listed, news: onNews };

  /** Fetches what is shown anew; `fresh`: another list, from its beginning. */
  const fetchList = useCallback(
    async (fresh: boolean) => {
      const before = fresh ? undefined : now.current.listed;
      const size = Math.min(Math.max(PAGE_SIZE, before?.rows.length ?? 0), MOST);
      const answer = await list(wanted, me, { size, cursor: "" }, before?.size === size ? before.etag : undefined);
      if (now.current.key !== key) return;
      upTo.current = answer.header("Convstore-Cursor") ?? upTo.current;
      setProblem("");
      if (answer.status === 304) return;
      const { messageConversations: rows, pager } = answer.body;
      const known = new Map(before?.rows.map((row) => [row.id, row.lastMessage]));
      if (before && rows.some((row) => !row.read && known.get(row.id) !== row.lastMessage && row.lastSender?.id !== me.id)) now.current.news();
      // What lies beyond what is refreshed stays as it was.
      const fresher = new Set(rows.map((row) => row.id));
      const rest = size === MOST && before ? before.rows.slice(MOST).filter((row) => !fresher.has(row.id)) : [];
      setListed({ rows: [...rows, ...rest], cursor: rest.length ? before?.cursor : pager.nextCursor, size, etag: answer.etag });
    },
    [key, me],
  );

  const fetchAll = useCallback(
    async (fresh: boolean) => {
      try {
        const [answer] = await Promise.all([fetchCounts(countsTag.current), fetchList(fresh)]);
        if (answer.status !== 304) {
          countsTag.current = answer.etag;
          setCounts(answer.body);
        }
        setFailing(false);
        setTick((n) => n + 1);
      } catch (error) {
        if (error instanceof Failure && error.reason === "ended") return;
        if (now.current.key !== key) return;
        if (!fresh) setFailing(true);
        else setProblem(explain(error));
      }
    },
    [fetchList],
  );

  useEffect(() => {
    setListed(undefined);
    setProblem("");
    void fetchAll(true);
  }, [fetchAll]);

  useEffect(() => {
    const look = () => {
      if (document.visibilityState === "visible" && navigator.onLine) void fetchAll(now.current.listed === undefined);
    };
    const timer = setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
    window.addEventListener("online", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("online", look);
    };
  }, [fetchAll]);

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
    tick,
    refresh: () => fetchAll(now.current.listed === undefined),
    loadMore,
    change: (uid, part) =>
      setListed((all) => all && { ...all, rows: all.rows.map((row) => (row.id === uid ? { ...row, ...part } : row)) }),
  };
}
