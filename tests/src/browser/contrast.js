// Returns each visible text of the page whose contrast (WCAG 2.2, relative luminance) is below arguments[0], and one
// complaint when there is no text at all.
const least = arguments[0];
const parse = colour => {
  const numbers = colour.match(/[\d.]+/g).map(Number);
  return { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 };
};
const over = (top, below) => top.rgb.map((value, i) => value * top.alpha + below[i] * (1 - top.alpha));
const luminance = rgb => {
  const [r, g, b] = rgb.map(value => value / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
  if (!element) return getComputedStyle(document.documentElement).colorScheme.includes('dark')
    && matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  const own = parse(getComputedStyle(element).backgroundColor);
  return own.alpha === 1 ? own.rgb : over(own, behind(element.parentElement));
};
const wrong = [];
let seen = 0;
const judge = (element, text, colour) => {
  seen += 1;
  const below = behind(element);
  const [high, low] = [luminance(over(colour, below)), luminance(below)].sort((a, b) => b - a);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < least) wrong.push(`contrast ${ratio.toFixed(2)}: ${text}`);
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  const element = walker.currentNode.parentElement;
  if (!text || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName) || !element.checkVisibility()) continue;
  judge(element, text, parse(getComputedStyle(element).color));
}
for (const field of document.querySelectorAll('input:not([type=hidden]), textarea, select')) {
  judge(field, field.name, parse(getComputedStyle(field).color));
  if (field.placeholder) judge(field, field.placeholder, parse(getComputedStyle(field, '::placeholder').color));
}
return seen > 0 ? wrong : ['no text at all'];
