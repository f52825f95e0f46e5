// One conversation, kept fresh while it is open, and marked as read when it is seen. Its last messages are loaded, and
// earlier ones as they are asked for.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./api";
import { explain } from "./failing";
import { earlier, markRead, thread as fetchThread, type Conversation, type Message } from "./model";
import type { News } from "./use-inbox";

export interface Opened {
  thread: Conversation | undefined;
  problem: string;
  reload(): Promise<void>;
  change(part: Partial<Conversation>): void;
  /** Loads some of the messages before those that are loaded; gives how many. Calls `ready` right before they show. */
  loadEarlier(ready: () => void): Promise<number>;
}

interface Props {
  uid: string;
  /** Something may have changed. */
  news: News | undefined;
  onRead(uid: string): void;
  onNews(): void;
}

interface Now {
  uid: string;
  tag: string | undefined;
  thread: Conversation | undefined;
  /** Of the last answer that is shown, and of the last that was asked for. */
  shown: number;
  asked: number;
  /** It is not marked as read yet: it came while nobody looked. */
  unseen: boolean;
}

const begin = (uid: string): Now => ({ uid, tag: undefined, thread: undefined, shown: 0, asked: 0, unseen: false });

export function useThread({ uid, news, onRead, onNews }: Props): Opened {
  const [thread, setThread] = useState<Conversation | undefined>();
  const [problem, setProblem] = useState("");
  const now = useRef<Now>(begin(uid));

  const show = (shown: Conversation) => {
    now.current.thread = shown;
    setThread(shown);
  };

  async function see(shown: Conversation) {
    now.current.unseen = true;
    if (document.visibilityState !== "visible") return;
    try {
      await markRead(shown.id);
    } catch (error) {
      // It is read, and will be marked when one looks again.
      if (error instanceof Failure) return;
      throw error;
    }
    if (now.current.uid === shown.id) now.current.unseen = false;
    onRead(shown.id);
  }

  const load = useCallback(
    async (again: boolean) => {
      if (!again) now.current = begin(uid);
      const mine = now.current;
      const turn = ++mine.asked;
      try {
        const { status, etag, body } = await fetchThread(uid, mine.tag);
        if (now.current !== mine || turn < mine.shown) return;
        setProblem("");
        mine.shown = turn;
        if (status === 304) return;
        const before = mine.thread;
        const fresh = !before || body.total > before.total;
        if (before && fresh) onNews();
        mine.tag = etag;
        show({ ...body, messages: joined(before?.messages ?? [], body.messages) });
        // Only what came in is seen by that: one's own mark of unread stays.
        if (!body.read && fresh) await see(body);
      } catch (error) {
        if (now.current !== mine || (error instanceof Failure && error.reason === "ended")) return;
        // What is shown stays, while the connection comes and goes.
        if (!mine.thread) setProblem(explain(error));
      }
    },
    [uid],
  );

  useEffect(() => {
    setThread(undefined);
    setProblem("");
    void load(false);
  }, [load]);
  useEffect(() => {
    if (news && now.current.asked && (!news.uids || news.uids.has(uid))) void load(true);
  }, [news]);
  useEffect(() => {
    const look = () => {
      if (now.current.unseen && now.current.thread && document.visibilityState === "visible") void see(now.current.thread);
    };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [load]);

  return {
    thread: thread?.id === uid ? thread : undefined,
    problem,
    reload: () => load(now.current.thread !== undefined),
    change: (part) => now.current.thread && show({ ...now.current.thread, ...part }),
    async loadEarlier(ready) {
      const mine = now.current;
      const there = mine.thread;
      if (!there) return 0;
      const found = await earlier(uid, there.total - there.messages.length);
      // It may have got newer ones since.
      if (now.current !== mine || !mine.thread || mine.thread.messages[0]?.id !== there.messages[0]?.id) return 0;
      const known = new Set(mine.thread.messages.map((message) => message.id));
      const fresh = found.filter((message) => !known.has(message.id));
      ready();
      show({ ...mine.thread, messages: [...fresh, ...mine.thread.messages] });
      return fresh.length;
    },
  };
}

/** The last messages after those that are there; alone, when so many came meanwhile that there is a gap. */
function joined(before: readonly Message[], last: readonly Message[]): Message[] {
  const from = before.findIndex((message) => message.id === last[0]?.id);
  return [...(from < 0 ? [] : before.slice(0, from)), ...last];
}
