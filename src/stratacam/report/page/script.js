// A button that opens every folded section, to search or print them all.
const folded = [...document.querySelectorAll("details")];
const button = document.createElement("button");
const label = (open) => { button.textContent = open ? "Close all folded sections" : "Open all folded sections"; };
button.type = "button";
button.addEventListener("click", () => {
  const open = folded.some((one) => !one.open);
  for (const one of folded) one.open = open;
  label(open);
});
label(false);
document.querySelector("nav").append(button);
