// One conversation, kept fresh while it is open, and marked as read when it is seen.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./api";
import { explain } from "./failing";
import { markRead, thread as fetchThread, type Conversation } from "./model";

export interface Opened {
  thread: Conversation | undefined;
  problem: string;
  reload(): Promise<void>;
  change(part: Partial<Conversation>): void;
}

interface Props {
  uid: string;
  /** Something may have changed. */
  tick: number;
  onRead(uid: string): void;
  onNews(): void;
}

export function useThread({ uid, tick, onRead, onNews }: Props): Opened {
  const [thread, setThread] = useState<Conversation | undefined>();
  const [problem, setProblem] = useState("");
  const now = useRef<{ uid: string; tag: string | undefined; messages: number }>({ uid: "", tag: undefined, messages: 0 });

  const load = useCallback(
    async (again: boolean) => {
      if (!again) now.current = { uid, tag: undefined, messages: 0 };
      try {
        const { status, etag, body } = await fetchThread(uid, now.current.tag);
        if (now.current.uid !== uid) return;
        setProblem("");
        if (status === 304) return;
        const fresh = !again || body.messages.length > now.current.messages;
        if (again && fresh) onNews();
        now.current = { uid, tag: etag, messages: body.messages.length };
        setThread(body);
        // Only what came in is seen by that: one's own mark of unread stays.
        if (!body.read && fresh && body.participants > 0 && document.visibilityState === "visible") {
          await markRead(uid);
          onRead(uid);
        }
      } catch (error) {
        if (now.current.uid !== uid || (error instanceof Failure && error.reason === "ended")) return;
        // What is shown stays, while the connection comes and goes.
        if (!again) setProblem(explain(error));
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
    if (tick && now.current.messages) void load(true);
  }, [tick]);

  return {
    thread: thread?.id === uid ? thread : undefined,
    problem,
    reload: () => load(now.current.messages > 0),
    change: (part) => setThread((all) => all && { ...all, ...part }),
  };
}
