import { setLanguage, language, type Language } from "../words";

// Each in its own words, for whoever cannot read the other.
const NAMES: Record<Language, string> = { en: "English", fr: "Français" };

export function Languages({ onChange }: { onChange(): void }) {
  const [other, name] = language() === "en" ? (["fr", NAMES.fr] as const) : (["en", NAMES.en] as const);
  return (
    <button
      type="button"
      class="quiet language"
      lang={other}
      onClick={() => {
        setLanguage(other);
        onChange();
      }}
    >
      {name}
    </button>
  );
}
