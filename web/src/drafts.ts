// What is being written, kept in this tab until it is sent: nothing is lost by a bad link, an ended session or a reload.
import { newKey } from "./api";
import type { File, Recipient } from "./model";
import { tab } from "./storage";

export interface Draft {
  text: string;
  subject: string;
  to: Recipient[];
  attachments: File[];
  internal: boolean;
  toHelpDesk: boolean;
}

interface Kept extends Draft {
  /** Under which this very content was tried to be sent, and that content. */
  tried?: { key: string; content: string };
}

export const EMPTY: Draft = { text: "", subject: "", to: [], attachments: [], internal: false, toHelpDesk: false };

const name = (user: string, what: string): string => `convstore.draft.${user}.${what}`;

function kept(user: string, what: string): Kept {
  const text = tab.get(name(user, what));
  return text ? { ...EMPTY, ...(JSON.parse(text) as Partial<Kept>) } : EMPTY;
}

/** `what` is a conversation's uid, or "new". */
export function load(user: string, what: string): Draft {
  const { text, subject, to, attachments, internal, toHelpDesk } = kept(user, what);
  return { text, subject, to, attachments, internal, toHelpDesk };
}

export function save(user: string, what: string, draft: Draft): void {
  const { tried } = kept(user, what);
  tab.set(name(user, what), JSON.stringify({ ...draft, tried }));
}

export function drop(user: string, what: string): void {
  tab.remove(name(user, what));
}

/** Whether there is anything that was written and not sent. */
export function any(user: string): boolean {
  const prefix = name(user, "");
  return tab.names().some((each) => {
    if (!each.startsWith(prefix)) return false;
    const { text, subject, attachments } = load(user, each.slice(prefix.length));
    return text.trim() !== "" || subject.trim() !== "" || attachments.length > 0;
  });
}

/** Whoever signs out leaves nothing behind for the next person at this machine. */
export function dropAll(user: string): void {
  const prefix = name(user, "");
  for (const each of tab.names()) if (each.startsWith(prefix)) tab.remove(each);
}

/** The key to send a draft under: the same one as before while it says the same, so that it arrives once. */
export function keyOf(user: string, what: string, draft: Draft): string {
  const content = JSON.stringify(draft);
  const { tried } = kept(user, what);
  if (tried?.content === content) return tried.key;
  const key = newKey();
  tab.set(name(user, what), JSON.stringify({ ...draft, tried: { key, content } }));
  return key;
}
