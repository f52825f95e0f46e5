// What the server's documents are, as far as the page asks for them, and the calls it makes.
import { call, newKey, type Answer, type Query } from "./api";

export const TYPES = ["PRIVATE", "TICKET", "VALIDATION_RESULT", "SYSTEM"] as const;
export type MessageType = (typeof TYPES)[number] | "SYSTEM_VERSION_UPDATE";
export const STATUSES = ["NONE", "OPEN", "PENDING", "INVALID", "SOLVED"] as const;
export type Status = (typeof STATUSES)[number];
export const PRIORITIES = ["NONE", "LOW", "MEDIUM", "HIGH"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** What the navigation has: the types, and three views across them. */
export const FOLDERS = ["all", ...TYPES, "followup", "mine"] as const;
export type Folder = (typeof FOLDERS)[number];

export interface Person {
  id: string;
  displayName: string;
}

/** Who is signed in, and what the page offers him. */
export interface Me extends Person {
  username: string;
  /** Works on tickets: status, priority, assignee, internal messages. */
  manager: boolean;
}

export interface Row {
  id: string;
  subject: string;
  messageType: MessageType;
  /** Absent: a system, or somebody who is not in the directory any more. */
  lastSender?: Person;
  lastMessage: string;
  read: boolean;
  followUp: boolean;
  status: Status;
  priority: Priority;
  assignee?: Person | undefined;
  /** One has a copy of it: it can be unread, followed up, left. Who works on tickets sees those of others too. */
  participant: boolean;
}

export interface File {
  id: string;
  name: string;
  contentLength: number;
}

export interface Message {
  id: string;
  created: string;
  text?: string;
  internal: boolean;
  sender?: Person;
  attachments: File[];
}

export interface Conversation extends Row {
  /** The last ones, as many as are loaded, in the order of sending. */
  messages: Message[];
  /** How many there are. */
  total: number;
  /** How many take part. */
  participants: number;
}

export interface Page {
  messageConversations: Row[];
  pager: { nextCursor?: string };
}

export interface Counts {
  unread: number;
  total: number;
  messageTypes: Record<MessageType, { unread: number; total: number }>;
}

export type Kind = "user" | "group" | "unit";

export interface Recipient extends Person {
  kind: Kind;
}

/** What a list is asked for. */
export interface Wanted {
  folder: Folder;
  search: string;
  unread: boolean;
  status: Status | "";
}

export const PAGE_SIZE = 25;
const MC = "messageConversations";
const ROW =
  "id,subject,messageType,lastSender[id,displayName],lastMessage,read,followUp,status,priority,assignee[id,displayName],participant";

// A conversation may have thousands of messages: the last ones come first, the others when they are asked for.
const LATEST = 20;
const EARLIER = 50;
const pageOfMessages = (page: number, size: number): string =>
  `messages~paging(${page};${size})[id,created,text,internal,sender[id,displayName],attachments[id,name,contentLength]]`;
const THREAD = `${ROW},${pageOfMessages(-1, LATEST)},messages~size~rename(total),userMessages~size~rename(participants)`;

export async function whoAmI(): Promise<Me> {
  const [me, configuration] = await Promise.all([
    call<Person & { username: string; authorities: string[]; userGroups: { id: string }[] }>("me", {
      query: { fields: "id,displayName,username,authorities,userGroups[id]" },
    }),
    call<{ feedbackRecipients?: { id?: string } }>("configuration"),
  ]);
  const { id, displayName, username, authorities, userGroups } = me.body;
  const desk = configuration.body.feedbackRecipients?.id;
  const manager = authorities.includes("ALL") || userGroups.some((group) => group.id === desk);
  return { id, displayName, username, manager };
}

export const signIn = (username: string, password: string): Promise<Answer<unknown>> =>
  call("auth/login", { method: "POST", json: { username, password } });

export const signOut = (): Promise<Answer<unknown>> => call("auth/logout", { method: "POST", key: newKey() });

export const counts = (etag?: string): Promise<Answer<Counts>> => call(`${MC}/counts`, { etag });

/** What one has no copy of is not unread, though the server cannot say that it was read. */
const readable = <T extends Row>(row: T): T => (row.participant ? row : { ...row, read: true });

export async function list(wanted: Wanted, me: Me, paging: { size: number; cursor: string }, etag?: string): Promise<Answer<Page>> {
  const filter: string[] = [];
  if (wanted.folder === "followup") filter.push("followUp:eq:true");
  else if (wanted.folder === "mine") filter.push("messageType:eq:TICKET", `assignee.id:eq:${me.id}`);
  else if (wanted.folder !== "all") filter.push(`messageType:eq:${wanted.folder}`);
  if (wanted.unread) filter.push("read:eq:false");
  if (wanted.status) filter.push(`status:eq:${wanted.status}`);
  const query: Query = { fields: ROW, filter, pageSize: paging.size, cursor: paging.cursor };
  if (wanted.search) query["queryString"] = wanted.search;
  const answer = await call<Page>(MC, { query, etag });
  if (answer.status !== 304) answer.body.messageConversations = answer.body.messageConversations.map(readable);
  return answer;
}

export async function thread(uid: string, etag?: string): Promise<Answer<Conversation>> {
  const answer = await call<Conversation>(`${MC}/${uid}`, { query: { fields: THREAD }, etag });
  if (answer.status !== 304) answer.body = readable(answer.body);
  return answer;
}

/** Gives some of a conversation's first `number` messages: the last ones of these, in the order of sending. */
export async function earlier(uid: string, number: number): Promise<Message[]> {
  // Pages are counted from the first message on: what comes meanwhile moves none of them.
  const last = Math.ceil(number / EARLIER);
  const few = number - (last - 1) * EARLIER < EARLIER / 2;
  const pages = few && last > 1 ? [last - 1, last] : [last];
  const answers = await Promise.all(
    pages.map((page) => call<{ messages: Message[] }>(`${MC}/${uid}`, { query: { fields: pageOfMessages(page, EARLIER) } })),
  );
  return answers.flatMap((answer) => answer.body.messages).slice(-EARLIER * 2);
}

export async function participants(uid: string): Promise<Person[]> {
  const answer = await call<{ userMessages: { user: Person }[] }>(`${MC}/${uid}`, {
    query: { fields: "userMessages[user[id,displayName]]" },
  });
  return answer.body.userMessages.map((copy) => copy.user).filter((user) => user !== undefined);
}

function post(path: string, query: Query = {}, more: { json?: unknown; text?: string; key?: string } = {}): Promise<Answer<unknown>> {
  return call(`${MC}/${path}`, { method: "POST", query, key: newKey(), ...more });
}

export const markRead = (uid: string) => post(`${uid}/read`);
export const markUnread = (uid: string) => post(`${uid}/unread`);
export const followUp = (uid: string, on: boolean) => post(on ? "followup" : "unfollowup", {}, { json: [uid] });
export const setStatus = (uid: string, value: Status) => post(`${uid}/status`, { messageConversationStatus: value });
export const setPriority = (uid: string, value: Priority) => post(`${uid}/priority`, { messageConversationPriority: value });
export const assign = (uid: string, userId: string) => post(`${uid}/assign`, { userId });
export const unassign = (uid: string) => call(`${MC}/${uid}/assign`, { method: "DELETE", key: newKey() });
export const addPeople = (uid: string, to: readonly Recipient[]) => post(`${uid}/recipients`, {}, { json: addressed(to) });

/** Gives whether one was in it. */
export async function leave(uid: string, me: string): Promise<boolean> {
  const answer = await call<{ removed: string[] }>(`${MC}/${uid}/${me}`, { method: "DELETE", key: newKey() });
  return answer.body.removed.length > 0;
}

/** Marks what had come when the list was fetched, and nothing that came since; gives how many it were. */
export async function markAllRead(folder: Folder, upTo: string): Promise<number> {
  const query: Query = { all: true, upTo };
  if (folder !== "all") query["messageType"] = folder;
  // No key: it needs none.
  const answer = await call<{ marked: number }>(`${MC}/read`, { method: "POST", query });
  return answer.body.marked;
}

/** What is sent, with the key under which it is sent once. */
export interface Letter {
  text: string;
  attachments: readonly File[];
  key: string;
}

export function reply(uid: string, letter: Letter, internal: boolean): Promise<Answer<unknown>> {
  const query: Query = { internal };
  if (letter.attachments.length) query["attachments"] = letter.attachments.map((file) => file.id);
  return post(uid, query, { text: letter.text, key: letter.key });
}

/** Gives the new conversation's uid. */
export async function send(subject: string, to: readonly Recipient[], letter: Letter): Promise<string> {
  const json = { subject, text: letter.text, ...addressed(to), attachments: letter.attachments.map(({ id }) => ({ id })) };
  return created(await call(MC, { method: "POST", json, key: letter.key }));
}

export async function askHelpDesk(subject: string, letter: Letter): Promise<string> {
  return created(await post("feedback", { subject }, { text: letter.text, key: letter.key }));
}

const created = (answer: Answer<unknown>): string => answer.header("Location")?.replace(/^.*\//, "") ?? "";

function addressed(to: readonly Recipient[]) {
  const of = (kind: Kind) => to.filter((each) => each.kind === kind).map(({ id }) => ({ id }));
  return { users: of("user"), userGroups: of("group"), organisationUnits: of("unit") };
}

/** People, groups and units by a part of their names; what cannot be looked up is left out, unless nothing can. */
export async function findRecipients(text: string, signal: AbortSignal): Promise<Recipient[]> {
  const named = { fields: "id,displayName", pageSize: 5 };
  const found = await Promise.allSettled([
    findPeople("userLookup", text, signal),
    call<{ userGroups: Person[] }>("userGroups", { query: { ...named, filter: `displayName:token:${text}` }, signal }).then(
      (answer) => answer.body.userGroups.map((each): Recipient => ({ ...each, kind: "group" })),
    ),
    call<{ organisationUnits: Person[] }>("organisationUnits", {
      query: { ...named, filter: [`displayName:token:${text}`, "users:gte:1"] },
      signal,
    }).then((answer) => answer.body.organisationUnits.map((each): Recipient => ({ ...each, kind: "unit" }))),
  ]);
  if (found[0].status === "rejected" && found.every((each) => each.status === "rejected")) throw found[0].reason;
  return found.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
}

export async function findPeople(path: string, text: string, signal: AbortSignal): Promise<Recipient[]> {
  const answer = await call<{ users: Person[] }>(path, { query: { query: text }, signal });
  return answer.body.users.slice(0, 7).map(({ id, displayName }) => ({ id, displayName, kind: "user" }));
}
