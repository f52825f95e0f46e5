import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { Failure, onEnded } from "./api";
import { any as anyDraft, dropAll } from "./drafts";
import { explain } from "./failing";
import { press } from "./keys";
import { signOut, whoAmI, type Me } from "./model";
import { Folders } from "./parts/folders";
import { Confirm, Empty, Icon, Loading, Problem, Words } from "./parts/basics";
import { Help } from "./parts/help";
import { Languages } from "./parts/languages";
import { List } from "./parts/list";
import { SignIn } from "./parts/signin";
import { doing, Thread } from "./parts/thread";
import { Write } from "./parts/write";
import { read, write } from "./route";
import { Said, tell } from "./said";
import { useInbox } from "./use-inbox";
import { t, type Word } from "./words";

type Session = { is: "asked" } | { is: "out"; why?: Word; who?: string } | { is: "in"; me: Me } | { is: "broken"; problem: string };

export function App() {
  const [session, setSession] = useState<Session>({ is: "asked" });
  const [, retell] = useReducer((n: number, _: undefined) => n + 1, 0);
  const relanguage = () => retell(undefined);

  async function enter() {
    const me = await whoAmI();
    setSession({ is: "in", me });
  }

  async function begin() {
    try {
      await enter();
    } catch (error) {
      if (error instanceof Failure && error.reason === "ended") setSession({ is: "out" });
      else setSession({ is: "broken", problem: explain(error) });
    }
  }

  useEffect(() => {
    onEnded(() => setSession((now) => (now.is === "in" ? { is: "out", why: "sessionEnded", who: now.me.username } : now)));
    void begin();
  }, []);

  return (
    <>
      {session.is === "asked" && (
        <main class="alone">
          <h1 class="unseen">{t("app")}</h1>
          <Loading lines={4} />
        </main>
      )}
      {session.is === "broken" && (
        <main class="alone">
          <h1>{t("app")}</h1>
          <Problem text={session.problem} again={() => void begin()} />
        </main>
      )}
      {session.is === "out" && <SignIn why={session.why} who={session.who} onSignedIn={enter} onLanguage={relanguage} />}
      {session.is === "in" && (
        <Desk
          key={session.me.id}
          me={session.me}
          onLanguage={relanguage}
          onSignOut={async () => {
            try {
              await signOut();
            } catch (error) {
              // Nobody was signed in any more.
              if (!(error instanceof Failure && error.reason === "ended")) {
                tell(explain(error));
                return;
              }
            }
            dropAll(session.me.id);
            history.replaceState(null, "", "#/all");
            setSession({ is: "out", why: "signedOut" });
          }}
        />
      )}
      <Said />
    </>
  );
}

function useRoute() {
  const [route, setRoute] = useState(() => read(location.hash));
  useEffect(() => {
    const look = () => setRoute(read(location.hash));
    window.addEventListener("hashchange", look);
    return () => window.removeEventListener("hashchange", look);
  }, []);
  return route;
}

function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => {
      setOnline(navigator.onLine);
      if (navigator.onLine) tell(t("online"));
    };
    window.addEventListener("online", look);
    window.addEventListener("offline", look);
    return () => {
      window.removeEventListener("online", look);
      window.removeEventListener("offline", look);
    };
  }, []);
  return online;
}

// Between two words about new messages: where much comes in, one would hear nothing else.
const QUIET_MS = 10_000;

function Desk({ me, onLanguage, onSignOut }: { me: Me; onLanguage(): void; onSignOut(): Promise<void> }) {
  const route = useRoute();
  const online = useOnline();
  const inbox = useInbox(me, route, () => {
    // Once for all that comes together.
    if (Date.now() - told.current < QUIET_MS) return;
    told.current = Date.now();
    tell(t("newMessages"));
  });
  const [menu, setMenu] = useState(false);
  const [help, setHelp] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const burger = useRef<HTMLButtonElement>(null);
  const told = useRef(0);
  const search = useRef<HTMLInputElement>(null);
  const reply = useRef<HTMLTextAreaElement>(null);
  const detail = route.writing || route.uid !== undefined;
  const list = write({ ...route, uid: undefined, writing: false });
  const last = useRef<string | undefined>(undefined);
  const subject = inbox.rows?.find((row) => row.id === route.uid)?.subject;

  // Back in the list, on the line that one came from, or at its top: a new conversation may not be in it yet.
  useEffect(() => {
    if (!detail && last.current) {
      const line = document.querySelector<HTMLElement>(`[data-uid="${last.current}"]`);
      (line ?? document.getElementById("list-title"))?.focus();
    }
    last.current = route.uid;
  }, [detail, route.uid]);

  useEffect(() => {
    if (!detail) {
      const unread = inbox.counts?.unread ? `(${inbox.counts.unread}) ` : "";
      document.title = `${unread}${t(route.folder)} – ${t("app")}`;
    } else if (route.uid) {
      document.title = `${subject ?? t("messages")} – ${t("app")}`;
    }
  });

  // The focus does not stay in what is hidden.
  function closeMenu() {
    setMenu(false);
    if (burger.current?.offsetParent) burger.current.focus();
  }

  // Before the next key can come.
  useLayoutEffect(() => {
    const step = (by: number) => {
      const rows = [...document.querySelectorAll<HTMLElement>("a.row")];
      const here = rows.findIndex((row) => row === document.activeElement || (row.dataset["uid"] === route.uid && !rows.includes(document.activeElement as HTMLElement)));
      rows[Math.min(Math.max(here + by, 0), rows.length - 1)]?.focus();
    };
    const listen = (event: KeyboardEvent) =>
      press(event, {
        j: () => step(1),
        k: () => step(-1),
        c: () => (location.hash = write({ ...route, writing: true })),
        "/": () => search.current?.focus(),
        r: () => reply.current?.focus(),
        f: () => doing.current?.follow(),
        u: () => doing.current?.unread(),
        "?": () => setHelp(true),
        Escape: () => {
          if (menu) closeMenu();
          else if (detail) location.hash = list;
        },
      });
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  });

  // In the header; where there is no room for it, under the folders.
  const account = (
    <>
      <span class="me" title={t("signedInAs", { name: me.displayName })}>
        <span class="unseen">{t("signedInAs", { name: "" })}</span>
        <Words>{me.displayName}</Words>
      </span>
      <button type="button" class="quiet" onClick={() => setHelp(true)}>
        <Icon name="keys" />
        <span class="unseen">{t("keys")}</span>
      </button>
      <Languages onChange={onLanguage} />
      <button type="button" class="quiet" onClick={() => (anyDraft(me.id) ? setLeaving(true) : void onSignOut())}>
        {t("signOut")}
      </button>
    </>
  );

  return (
    <div class={detail ? "desk detail" : "desk"}>
      <a
        class="skip"
        href="#list-title"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>(detail ? "#thread-title, #write-title" : "#list-title")?.focus();
        }}
      >
        {t("skip")}
      </a>
      <header class="top">
        <button ref={burger} type="button" class="quiet burger" aria-expanded={menu} aria-controls="folders" onClick={() => setMenu(!menu)}>
          <Icon name="menu" />
          <span class="unseen">{t("menu")}</span>
        </button>
        <h1>{t("app")}</h1>
        <a class="button main small narrow" href={write({ ...route, writing: true })}>
          <Icon name="write" />
          {t("write")}
        </a>
        <div class="account wide">{account}</div>
      </header>
      <div class="banner" role="status">
        {(!online || inbox.failing) && <p>{t(online ? "failing" : "offline")}</p>}
      </div>
      <nav id="folders" class={menu ? "open" : ""} aria-label={t("folders")}>
        <a class="button main compose" href={write({ ...route, writing: true })} onClick={closeMenu}>
          <Icon name="write" />
          {t("write")}
        </a>
        <Folders me={me} current={route.folder} counts={inbox.counts} onChosen={closeMenu} />
        <div class="account narrow">{account}</div>
      </nav>
      <main>
        <List route={route} inbox={inbox} search={search} />
        <div class="pane">
          {route.writing ? (
            <Write
              me={me}
              to={route.to}
              back={list}
              onDiscard={() => (location.hash = list)}
              onSent={(uid, folder) => {
                void inbox.refresh();
                location.hash = write({ folder, uid });
              }}
            />
          ) : route.uid ? (
            <Thread
              me={me}
              uid={route.uid}
              subject={subject}
              back={{ href: list, label: t("back", { folder: t(route.folder) }) }}
              news={inbox.news}
              reply={reply}
              onChange={(uid, part) => {
                inbox.change(uid, part);
                void inbox.refresh();
              }}
              onLeft={() => {
                location.hash = list;
                void inbox.refresh();
              }}
            />
          ) : (
            <Empty icon="all" title="choose" hint="chooseHint" />
          )}
        </div>
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
      {leaving && (
        <Confirm
          title={t("signOutTitle")}
          text={t("signOutText")}
          action={t("signOut")}
          onYes={() => {
            setLeaving(false);
            void onSignOut();
          }}
          onNo={() => setLeaving(false)}
        />
      )}
    </div>
  );
}
