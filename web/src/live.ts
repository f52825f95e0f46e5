// Hears of what changes in the inbox while it changes (server-sent events, docs/api.md), for as long as somebody looks:
// browsers hold few connections to one server, and a tab behind others shall not take one from them.
import { Failure, open } from "./api";

/** Conversations that changed; undefined: nobody knows which. */
export type Changed = ReadonlySet<string> | undefined;

export interface Listener {
  /** The next changes are told when this is done. */
  changed(uids: Changed): Promise<void>;
  /** Whether changes are told just now, so that nobody needs to ask. */
  live(on: boolean): void;
}

// The server gives a sign of life every 15 seconds.
const SILENCE_MS = 45_000;
// What changes at once is told at once.
const GATHER_MS = 100;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
// A connection that lasted so long was a good one.
const STEADY_MS = 20_000;

const looked = (): boolean => document.visibilityState === "visible" && navigator.onLine;

/** Follows the inbox from a place in the log on ("": from now on), until the function that it gives is called. */
export function follow(place: string, listener: Listener): () => void {
  let last = place;
  let stopped = false;
  let pause = FIRST_PAUSE_MS;
  let failures = 0;
  let connection: AbortController | undefined;
  let timer = 0;
  const gathered = new Set<string>();
  let unknown = false;
  let telling = false;

  async function tell() {
    if (telling) return;
    telling = true;
    try {
      while (!stopped && (gathered.size || unknown)) {
        await new Promise((done) => setTimeout(done, GATHER_MS));
        const uids = unknown ? undefined : new Set(gathered);
        gathered.clear();
        unknown = false;
        if (!stopped) await listener.changed(uids);
      }
    } finally {
      telling = false;
    }
  }

  function take({ kind, data }: Event) {
    const uid = kind === "changed" || kind === "removed" ? (JSON.parse(data) as { conversation?: string }).conversation : undefined;
    if (uid) gathered.add(uid);
    // From where the stream begins; who was not there before has missed something, or may have.
    else if (kind === "ready" || kind === "reset") unknown = true;
    void tell();
  }

  async function listen(here: AbortController) {
    let silence = 0;
    const heard = () => {
      clearTimeout(silence);
      silence = window.setTimeout(() => here.abort(), SILENCE_MS);
    };
    heard();
    try {
      const body = await open("me/events", last, here.signal);
      for await (const event of events(body, heard)) {
        // The first thing that gets through tells that no proxy holds it back.
        listener.live(true);
        if (event.id !== undefined) last = event.id;
        if (event.retry) pause = event.retry;
        if (event.data) take(event);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  async function connect() {
    clearTimeout(timer);
    if (stopped || connection || !looked()) return;
    const here = new AbortController();
    connection = here;
    const began = Date.now();
    let after = 0;
    try {
      await listen(here);
    } catch (error) {
      // Anything else is a broken connection.
      if (error instanceof Failure) {
        // Whoever is not signed in any more is led to sign in.
        if (error.reason === "ended") stopped = true;
        // A place that the server does not know: from now on, then.
        if (error.status >= 400 && error.status < 500) last = "";
        after = error.after * 1000;
      }
    }
    connection = undefined;
    if (stopped) return;
    listener.live(false);
    if (Date.now() - began > STEADY_MS || !looked()) failures = 0;
    else failures++;
    // Not all browsers at once, after a server was away.
    const most = Math.min(pause * 2 ** failures, LONGEST_PAUSE_MS);
    timer = window.setTimeout(() => void connect(), Math.max(after, most * (0.5 + Math.random() / 2)));
  }

  function look() {
    if (looked()) void connect();
    else connection?.abort();
  }

  document.addEventListener("visibilitychange", look);
  window.addEventListener("online", look);
  window.addEventListener("offline", look);
  look();
  return () => {
    stopped = true;
    clearTimeout(timer);
    connection?.abort();
    document.removeEventListener("visibilitychange", look);
    window.removeEventListener("online", look);
    window.removeEventListener("offline", look);
  };
}

interface Event {
  kind: string;
  data: string;
  id: string | undefined;
  retry: number;
}

/** Reads the events of a stream (HTML standard, section 9.2.6), those without data too, which only say a place. */
async function* events(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<Event> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let event: Event = { kind: "", data: "", id: undefined, retry: 0 };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, name, text = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
      if (line === "") {
        yield event;
        event = { kind: "", data: "", id: undefined, retry: 0 };
      } else if (name === "event") event.kind = text;
      else if (name === "data") event.data += text;
      else if (name === "id") event.id = text;
      else if (name === "retry") event.retry = Number(text);
    }
  }
}
