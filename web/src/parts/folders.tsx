import { FOLDERS, type Counts, type Folder, type Me } from "../model";
import { write } from "../route";
import { count, t } from "../words";
import { Icon } from "./basics";

function unreadIn(folder: Folder, counts: Counts | undefined): number {
  if (!counts || folder === "followup" || folder === "mine") return 0;
  return folder === "all" ? counts.unread : counts.messageTypes[folder].unread;
}

interface Props {
  me: Me;
  current: Folder;
  counts: Counts | undefined;
  onChosen(): void;
}

export function Folders({ me, current, counts, onChosen }: Props) {
  return (
    <ul class="folders">
      {FOLDERS.filter((folder) => folder !== "mine" || me.manager).map((folder) => {
        const unread = unreadIn(folder, counts);
        return (
          <li key={folder}>
            <a href={write({ folder })} aria-current={folder === current ? "page" : undefined} onClick={onChosen}>
              <Icon name={folder} />
              <span class="name">{t(folder)}</span>
              {unread > 0 && (
                <>
                  <span class="count" aria-hidden="true">
                    {unread > 999 ? "999+" : unread}
                  </span>
                  <span class="unseen">, {count("unreadCount", unread)}</span>
                </>
              )}
            </a>
          </li>
        );
      })}
    </ul>
  );
}
