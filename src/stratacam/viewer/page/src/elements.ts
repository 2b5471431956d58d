/** Elements of the page, made in one line. */

type Attributes = Record<string, string | number | boolean | ((event: never) => void) | undefined>;

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`on…` adds a listener) and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), attributes, children);
}

export function drawn<K extends keyof SVGElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  return filled(document.createElementNS(SVG, tag) as SVGElementTagNameMap[K], attributes, children);
}

function filled<E extends Element>(made: E, attributes: Attributes, children: (Node | string)[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

let fields = 0;

/** A control under its label. */
function field(label: string, control: HTMLElement, ...more: Node[]): HTMLElement {
  control.id = `field-${++fields}`;
  return element("div", { class: "field" }, element("div", {}, element("label", { for: control.id }, label), ...more), control);
}

/** A select with its label; `change` is given the value chosen. */
export function choice(label: string, options: [string, string, boolean?][], value: string, change: (value: string) => void): HTMLElement {
  const select = element("select", { onchange: () => change(select.value) },
    ...options.map(([key, words, disabled]) => element("option", { value: key, disabled, selected: key === value }, words)));
  select.value = value;
  return field(label, select);
}

/** A slider of percent with its label. */
export function slider(label: string, value: number, change: (value: number) => void): HTMLElement {
  const said = element("output", {}, `${Math.round(100 * value)} %`);
  const input = element("input", {
    type: "range", min: 0, max: 100, step: 1, value: Math.round(100 * value),
    oninput: () => {
      said.textContent = `${input.value} %`;
      change(Number(input.value) / 100);
    },
  });
  return field(label, input, said);
}

export function tick(label: string, value: boolean, change: (value: boolean) => void, colour?: string): HTMLElement {
  const input = element("input", { type: "checkbox", checked: value, onchange: () => change(input.checked) });
  const swatch = colour ? [element("span", { class: "swatch", "data-colour": colour })] : [];
  const made = element("label", { class: "tick" }, input, ...swatch, element("span", {}, label));
  if (swatch.length) swatch[0].style.background = colour!;
  return made;
}

/** Three significant digits. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return (size >= 1e-3 && size < 1e4 ? String(Number(value.toPrecision(3))) : value.toExponential(1)).replace("-", "−");
}
