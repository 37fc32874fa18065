// What pages do without being loaded again. Every page works without this, with a reload instead.
'use strict';

// Parts of pages come from our own site, where templates have escaped them.
const trusted = window.trustedTypes
  ? window.trustedTypes.createPolicy('mailweir', { createHTML: (html) => html })
  : { createHTML: (html) => html };

// The menu is a disclosure on a phone, and open on a desk.
const menu = document.getElementById('menu');
const desk = window.matchMedia('(min-width: 60rem)');
const arrange = () => { if (menu) menu.open = desk.matches; };
desk.addEventListener('change', arrange);
arrange();

// <div data-live="PATH" data-every="SECONDS"> is replaced by what PATH gives, while the page is looked at.
const refresh = async (part) => {
  const busy = document.hidden || part.contains(document.activeElement)
    || (getSelection() && !getSelection().isCollapsed && part.contains(getSelection().anchorNode));
  if (busy) return;
  try {
    const answer = await fetch(part.dataset.live, { headers: { 'X-Part': '1' }, cache: 'no-store' });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    part.innerHTML = trusted.createHTML(await answer.text());
    part.querySelectorAll('table[data-sort]').forEach(sortable);
  } catch { /* The daemon restarts, say; the next time will tell. */ }
};
document.querySelectorAll('[data-live]').forEach((part) => {
  setInterval(() => refresh(part), Number(part.dataset.every) * 1000);
});

// <table data-sort>: a click on a heading sorts by its column; data-value of a cell wins over its text.
function sortable(table) {
  table.querySelectorAll('thead th').forEach((heading, column) => {
    if (heading.hasAttribute('data-nosort')) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'sort';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => sort(table, heading, column));
  });
}
const value = (row, column) => {
  const cell = row.cells[column];
  if (!cell) return '';
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text.replaceAll('\u202f', ''));
  return text !== '' && !Number.isNaN(number) ? number : text.toLowerCase();
};
const compare = (a, b) => {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === 'number' ? 1 : -1;
};
function sort(table, heading, column) {
  const rises = heading.getAttribute('aria-sort')
    ? heading.getAttribute('aria-sort') === 'descending'
    : !heading.classList.contains('n');
  table.querySelectorAll('thead th').forEach((other) => other.removeAttribute('aria-sort'));
  heading.setAttribute('aria-sort', rises ? 'ascending' : 'descending');
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => [value(row, column), row]);
  rows.sort(([a], [b]) => (rises ? compare(a, b) : compare(b, a)));
  body.append(...rows.map(([, row]) => row));
}
document.querySelectorAll('table[data-sort]').forEach(sortable);

// <form data-confirm="QUESTION"> asks before it is sent.
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// <input type=checkbox data-all="NAME"> ticks all checkboxes of that name in its form.
document.querySelectorAll('input[data-all]').forEach((all) => {
  all.addEventListener('change', () => {
    const boxes = all.form.querySelectorAll(`input[type=checkbox][name="${all.dataset.all}"]`);
    boxes.forEach((box) => { box.checked = all.checked; });
  });
});

// "/" goes to the search field of the page.
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select');
  if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector('main input[type=search]');
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
