/** Which map to believe: of the study, above all; and the rule's verdict on the map that is shown. */

import { element } from "./elements";
import { SIGNS } from "./layers";
import type { Model, View } from "./model";

/** What is recommended, or that nothing is and why; behind it the numbers, the rule, and what a file lacks. */
export function banner(model: Model): HTMLElement {
  const { study } = model;
  const left = model.view!.scan.left_out;
  return element("section", { class: `banner ${study.recommended ? "good" : "caution"}`, "aria-label": "Which map to believe" },
    element("p", {}, element("strong", {}, study.recommended ? "Recommended: " : "Caution. "), study.in_short),
    ...(study.warning ? [element("p", {}, study.warning)] : []),
    ...folded("How good it is", study.numbers[0], study.numbers.slice(1)),
    ...folded("The rule", study.rule[0], study.rule.slice(1, -1), study.rule[study.rule.length - 1]),
    ...folded(`Left out of this file: ${left.length}`, left.length ? "To keep this file small, it lacks:" : undefined, [...left]));
}

function folded(title: string, opening: string | undefined, lines: string[], end = ""): HTMLElement[] {
  if (opening === undefined) return [];
  return [element("details", {}, element("summary", {}, title), element("p", {}, opening),
    element("ul", {}, ...lines.map((line) => element("li", {}, line))), element("p", {}, end))];
}

/** What the rule says of the map that is shown, and why. */
export function verdict(view: View): HTMLElement {
  const { layer } = view;
  const chip = element("span", { class: `chip ${SIGNS[layer.verdict]?.[1] ?? "none"}` }, layer.verdict);
  if (!layer.because.length) return element("p", {}, "Verdict of the rule: ", chip);
  return element("details", {}, element("summary", {}, "Verdict of the rule: ", chip, ` ${layer.because[0]}${layer.because.length > 1 ? " …" : ""}`),
    element("ul", {}, ...layer.because.map((one) => element("li", {}, one))));
}
