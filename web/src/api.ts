// Talks to the server: same origin, session cookie, JSON. Says in one type what can go wrong, and tries again where
// that is safe: reads, and writes that carry a key.

/** Why an answer is not there. `ended`: nobody is signed in (any more). `refused`: the server says why, in `message`. */
export type Reason = "offline" | "ended" | "refused" | "busy" | "broken";

export class Failure extends Error {
  constructor(
    readonly reason: Reason,
    readonly status = 0,
    message = "",
    /** Seconds after which the server wants to be asked again; 0: it does not say. */
    readonly after = 0,
  ) {
    super(message);
  }
}

export interface Options {
  method?: "GET" | "POST" | "DELETE";
  query?: Query;
  json?: unknown;
  text?: string;
  /** Makes a repeat harmless: the server does it once (Idempotency-Key). */
  key?: string;
  /** The ETag of what is there already; answered with 304 when nothing has changed. */
  etag?: string | undefined;
  signal?: AbortSignal;
}

/** In the order given; a list repeats its name. */
export type Query = Record<string, string | number | boolean | readonly string[]>;

export interface Answer<T> {
  status: number;
  etag: string | undefined;
  header(name: string): string | null;
  body: T;
}

// Relative to the page, which is at the front of the context path.
const ROOT = new URL("api/", document.baseURI.replace(/[?#].*$/, "")).href;

// Seconds after which to try again, when the server does not say; after the last one it has failed.
const PAUSES = [1, 3, 7];
const PATIENCE = 45_000;

let ended: () => void = () => undefined;

/** Says what to do when the server no longer knows who asks. */
export function onEnded(action: () => void): void {
  ended = action;
}

export function address(path: string, query: Query = {}): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => `${name}=${encodeURIComponent(String(each))}`),
  );
  return ROOT + path + (parts.length ? `?${parts.join("&")}` : "");
}

/** 22 characters nobody else will choose; randomUUID is only there by https. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const wait = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

export async function call<T>(path: string, options: Options = {}): Promise<Answer<T>> {
  const repeatable = (options.method ?? "GET") === "GET" || options.key !== undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      return await once<T>(path, options);
    } catch (error) {
      const pause = PAUSES[attempt];
      if (!(error instanceof Failure) || pause === undefined || options.signal?.aborted) throw error;
      // 503 means that nothing was done; a lost connection, that nobody knows.
      const again = error.reason === "busy" || (error.reason === "offline" && repeatable && navigator.onLine);
      if (!again) throw error;
      await wait(Math.min(error.after || pause, 10));
    }
  }
}

const usual = (accept: string): Record<string, string> => ({ Accept: accept, "X-Requested-With": "XMLHttpRequest" });

/** Opens an answer that goes on until one of the two ends it; `last` is the id of the last event that was got. */
export async function open(path: string, last: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const headers = usual("text/event-stream");
  if (last) headers["Last-Event-ID"] = last;
  try {
    const response = await fetch(address(path), { headers, signal, cache: "no-store" });
    if (response.ok && response.body) return response.body;
    throw failed(response.status, await response.text(), Number(response.headers.get("Retry-After")));
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("offline");
  }
}

async function once<T>(path: string, options: Options): Promise<Answer<T>> {
  const headers = usual("application/json");
  if (options.json !== undefined) headers["Content-Type"] = "application/json";
  if (options.text !== undefined) headers["Content-Type"] = "text/plain;charset=UTF-8";
  if (options.key !== undefined) headers["Idempotency-Key"] = `"${options.key}"`;
  if (options.etag !== undefined) headers["If-None-Match"] = options.etag;
  const abort = new AbortController();
  const stop = () => abort.abort();
  options.signal?.addEventListener("abort", stop);
  const timer = setTimeout(stop, PATIENCE);
  try {
    const response = await fetch(address(path, options.query), {
      method: options.method ?? "GET",
      headers,
      body: options.json !== undefined ? JSON.stringify(options.json) : (options.text ?? null),
      signal: abort.signal,
    });
    // Read here, so that a connection that breaks amid the body counts as broken too.
    const text = await response.text();
    if (response.ok || response.status === 304) {
      return {
        status: response.status,
        etag: response.headers.get("ETag") ?? undefined,
        header: (name) => response.headers.get(name),
        body: (text && response.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : undefined) as T,
      };
    }
    throw failed(response.status, text, Number(response.headers.get("Retry-After")));
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof SyntaxError) throw new Failure("broken", 0, error.message);
    throw new Failure("offline");
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

/** What an error answer means; a WebMessage says it in words. */
function failed(status: number, text: string, after = 0): Failure {
  const message = said(text);
  if (status === 401) {
    // At signing in it is the answer; everywhere else it is the end of the session.
    ended();
    return new Failure("ended", status, message);
  }
  if (status === 503) return new Failure("busy", status, message, after);
  return new Failure(status < 500 && message ? "refused" : "broken", status, message);
}

function said(text: string): string {
  try {
    const message: unknown = (JSON.parse(text) as { message?: unknown }).message;
    return typeof message === "string" ? message : "";
  } catch {
    return "";
  }
}

/** Sends one file; `progress` is told from 0 to 1. fetch cannot tell it. */
export function upload<T>(path: string, file: File, key: string, progress: (part: number) => void): Upload<T> {
  const request = new XMLHttpRequest();
  const done = new Promise<T>((resolve, reject) => {
    request.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText) as T);
      else reject(failed(request.status, request.responseText));
    };
    request.onerror = request.onabort = () => reject(new Failure("offline"));
    request.open("POST", address(path));
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
    request.setRequestHeader("Idempotency-Key", `"${key}"`);
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
  return { done, stop: () => request.abort() };
}

export interface Upload<T> {
  done: Promise<T>;
  stop(): void;
}
