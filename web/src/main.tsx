import { render } from "preact";
import { App } from "./app";
import { keepFocus } from "./focus";

const place = document.getElementById("app");
if (place) {
  place.replaceChildren();
  render(<App />, place);
  keepFocus(place);
}
