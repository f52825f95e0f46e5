// The way in.
import type { TargetedEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../api";
import { explain } from "../failing";
import { signIn } from "../model";
import { t, type Word } from "../words";
import { Languages } from "./languages";

interface Props {
  /** Why one is here, when it was not by one's own choice. */
  why: Word | undefined;
  /** Whose session it was, to be entered only once. */
  who: string | undefined;
  onSignedIn(): Promise<void>;
  onLanguage(): void;
}

export function SignIn({ why, who, onSignedIn, onLanguage }: Props) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const [missing, setMissing] = useState<"username" | "password" | undefined>();
  const [shown, setShown] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const username = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = `${t("signIn")} – ${t("app")}`;
    (why ? heading.current : username.current)?.focus();
  }, []);

  async function submit(event: TargetedEvent<HTMLFormElement>) {
    event.preventDefault();
    // Read from the fields: password managers fill them in their own ways.
    const [name, secret] = [username.current?.value.trim() ?? "", password.current?.value ?? ""];
    const lacks = !name ? "username" : !secret ? "password" : undefined;
    setMissing(lacks);
    setProblem("");
    if (lacks) {
      (lacks === "username" ? username : password).current?.focus();
      return;
    }
    setBusy(true);
    try {
      await signIn(name, secret);
      await onSignedIn();
    } catch (error) {
      const wrong = error instanceof Failure && error.reason === "ended" && !/^Account /.test(error.message);
      setProblem(wrong ? t("badCredentials") : explain(error));
      setBusy(false);
      password.current?.select();
    }
  }

  return (
    <main class="alone">
      <div class="door">
        <h1 ref={heading} tabIndex={-1}>
          {t("app")}
        </h1>
        <p class="hint">{t("signInLead")}</p>
        {why && <p class="note">{t(why)}</p>}
        <form onSubmit={(event) => void submit(event)} noValidate>
          {problem && (
            <p class="wrong" role="alert" id="door-wrong">
              {problem}
            </p>
          )}
          <div class="field">
            <label for="username">{t("username")}</label>
            <input
              ref={username}
              id="username"
              name="username"
              type="text"
              autocomplete="username"
              defaultValue={who}
              autocapitalize="none"
              spellcheck={false}
              required
              aria-invalid={missing === "username" || undefined}
              aria-describedby={missing === "username" ? "username-wrong" : undefined}
            />
            {missing === "username" && (
              <p class="wrong" id="username-wrong">
                {t("needUsername")}
              </p>
            )}
          </div>
          <div class="field">
            <label for="password">{t("password")}</label>
            <input
              ref={password}
              id="password"
              name="password"
              // Preact's types know fields of one kind only, not such as change it.
              type={(shown ? "text" : "password") as "password"}
              autocomplete="current-password"
              required
              aria-invalid={missing === "password" || undefined}
              aria-describedby={missing === "password" ? "password-wrong" : undefined}
            />
            {missing === "password" && (
              <p class="wrong" id="password-wrong">
                {t("needPassword")}
              </p>
            )}
          </div>
          <label class="tick">
            <input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />
            {t("showPassword")}
          </label>
          <button type="submit" class="main" aria-disabled={busy}>
            {t(busy ? "signingIn" : "signIn")}
          </button>
        </form>
        <Languages onChange={onLanguage} />
      </div>
    </main>
  );
}
