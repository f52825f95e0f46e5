// Who takes part: told when there are few of them, else asked for; and adding more.
import { useEffect, useState } from "preact/hooks";
import { explain } from "../failing";
import { addPeople, findRecipients, participants, type Conversation, type Me, type Person, type Recipient } from "../model";
import { tell } from "../said";
import { count, t } from "../words";
import { Words } from "./basics";
import { Several } from "./combobox";

// A letter to a whole country has ten thousand.
const FEW = 12;

export function People({ me, thread, onAdded }: { me: Me; thread: Conversation; onAdded(): Promise<void> }) {
  const [people, setPeople] = useState<Person[] | undefined>();
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<Recipient[]>([]);
  const load = () => participants(thread.id).then(setPeople, (error: unknown) => tell(explain(error)));
  useEffect(() => {
    setPeople(undefined);
    if (thread.participants <= FEW) void load();
  }, [thread.id, thread.participants]);

  async function add() {
    try {
      await addPeople(thread.id, chosen);
      setChosen([]);
      setAdding(false);
      tell(t("added"));
      await onAdded();
    } catch (error) {
      tell(explain(error));
    }
  }

  return (
    <div class="people">
      {people ? (
        <ul aria-label={count("participants", thread.participants)}>
          {people.map((person) => (
            <li key={person.id}>{person.id === me.id ? t("you") : <Words>{person.displayName}</Words>}</li>
          ))}
        </ul>
      ) : (
        <span>
          {count("participants", thread.participants)}
          {thread.participants > FEW && (
            <button type="button" class="link" onClick={() => void load()}>
              {t("showParticipants")}
            </button>
          )}
        </span>
      )}
      <button type="button" class="link" aria-expanded={adding} onClick={() => setAdding(!adding)}>
        {t("addPeople")}
      </button>
      {adding && (
        <div class="adding">
          <Several label={t("addPeople")} hint={t("toHint")} chosen={chosen} onChange={setChosen} find={findRecipients} />
          <button type="button" class="main small" disabled={!chosen.length} onClick={() => void add()}>
            {t("add")}
          </button>
        </div>
      )}
    </div>
  );
}
