// Where the page is: the part of its address after #. Folders and conversations as DHIS2's mails link to them,
// #/TICKET/uid, and #/PRIVATE/create/uid for a new message to somebody.
import { FOLDERS, STATUSES, type Folder, type Status, type Wanted } from "./model";

export interface Route extends Wanted {
  /** The conversation that is open. */
  uid: string | undefined;
  /** A new message is being written. */
  writing: boolean;
  /** To whom, when the address says so. */
  to: string | undefined;
}

const UID = /^[A-Za-z][A-Za-z0-9]{10}$/;

export function read(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [first = "", second = "", third = ""] = path.split("/");
  const asked = new URLSearchParams(query);
  const status = asked.get("status") ?? "";
  const creating = second === "create";
  return {
    folder: FOLDERS.find((folder) => folder === first) ?? (first === "SYSTEM_VERSION_UPDATE" ? "SYSTEM" : "all"),
    uid: UID.test(second) ? second : undefined,
    writing: second === "write" || creating,
    to: creating && UID.test(third) ? third : undefined,
    search: asked.get("q") ?? "",
    unread: asked.has("unread"),
    status: STATUSES.find((each): each is Status => each === status) ?? "",
  };
}

export function write(route: Partial<Route> & { folder: Folder }): string {
  const asked = new URLSearchParams();
  if (route.search) asked.set("q", route.search);
  if (route.unread) asked.set("unread", "1");
  if (route.status) asked.set("status", route.status);
  const rest = route.writing ? "/write" : route.uid ? `/${route.uid}` : "";
  const query = asked.toString();
  return `#/${route.folder}${rest}${query ? `?${query}` : ""}`;
}

/** Whether a conversation goes by this folder's filters. */
export const TICKETY: readonly Folder[] = ["TICKET", "VALIDATION_RESULT", "mine"];
