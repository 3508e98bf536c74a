// The review table in a browser. Python (whale_nbs/44_match_review) decides and tells what is to be seen in `screen`;
// this file draws it, asks for the pictures that are on the screen, and says what the person wants.

const KEYS = { // what the help shows: keys, what they do
  Looking: [
    ['1 2 … 9', 'candidate 1, 2 … 9'], ['↓ ↑ J K', 'next, previous candidate'],
    ['→ ← . ,', 'next, previous photo of the candidate'], ['+ −', 'closer, further away: both photos (also the wheel)'],
    ['← ↑ ↓ →', 'once you are close: move both photos (also by dragging)'],
    ['0', 'whole photos again'], ['R', 'turn the candidate; with Shift the photo on the left'],
    ['C B', 'more contrast, brighter; with Shift less'], ['H', 'heat maps on and off'], ['F', 'filters'],
    ['G', 'gallery of the candidate: all its photos by view and year'], ['V', 'four candidates side by side, or one'],
  ],
  Deciding: [
    ['Enter Y', 'same whale as the candidate'], ['N', 'not this whale'], ['W', 'a new whale'],
    ['X', 'tick an unnamed photo to go along; with Shift all of its row'], ['E', 'tick the whole encounter, or none of it'],
    ['A', 'another whale, by name'],
    ['S', 'skip: leave it for later'],
    ['U', 'undo (also Ctrl+Z)'], ['M', 'merge whales that are one'], ['P', 'part photos from the candidate: split it'],
    ['I', 'draw a box around the animal, or correct it'], ['T', 'take a note'], ['D', 'describe: fill in your fields, of the photo and of the candidate'], ['?', 'this help'],
  ],
}

function h(tag, attributes = {}, ...children) { // an element
  const el = document.createElement(tag)
  for (const [k, v] of Object.entries(attributes)) {
    if (k.startsWith('on')) el.addEventListener(k.slice(2), v)
    else if (v === true) el.setAttribute(k, '')
    else if (v !== false && v != null) el.setAttribute(k, v)
  }
  el.append(...children.flat(Infinity).filter(c => c != null && c !== false))
  return el
}
const percent = p => p == null ? 'no probability' : `${Math.round(100 * p)} %`
const day = p => p.taken.slice(0, 10) || 'no date'
const about = p => [p.viewpoint, p.taken || 'no date', p.place].filter(Boolean).join(' · ')
const said = of => Object.entries(of.said ?? {}).filter(([, value]) => value).map(([name, value]) => `${name}: ${value}`)
const line = (...parts) => { const el = h('div', { class: 'wr-fact' }, parts); el.title = el.textContent; return el }
const clamp = (x, low, high) => Math.min(high, Math.max(low, x))

// Pictures come as messages with bytes, each once; the ones not seen for longest are given back.
function pictureStore(model) {
  const kept = new Map(), waiting = new Map(), MOST = 600
  let wanted = []
  const ask = () => { if (wanted.length) model.send({ task: 'pictures', wanted }); wanted = [] }
  const receive = (message, buffers) => {
    if (message.picture == null) return
    const key = `${message.picture}/${message.size}`, bytes = buffers[0]
    kept.set(key, message.problem ? { problem: message.problem }
      : { url: URL.createObjectURL(new Blob([bytes], { type: 'image/jpeg' })) })
    for (const take of waiting.get(key) ?? []) take(kept.get(key))
    waiting.delete(key)
    for (const [old, { url }] of kept) { if (kept.size <= MOST) break; URL.revokeObjectURL(url); kept.delete(old) }
  }
  model.on('msg:custom', receive)
  return {
    get(id, size, take = () => {}) {
      const key = `${id}/${size}`, have = kept.get(key)
      if (have) { kept.delete(key); kept.set(key, have); return take(have) }
      if (waiting.has(key)) return waiting.get(key).push(take)
      waiting.set(key, [take])
      wanted.push([id, size]); if (wanted.length === 1) queueMicrotask(ask)
    },
    forget(id) { // it was cut out anew
      for (const key of [`${id}/small`, `${id}/large`]) if (kept.has(key)) { URL.revokeObjectURL(kept.get(key).url); kept.delete(key) }
    },
    close() { model.off('msg:custom', receive); for (const { url } of kept.values()) URL.revokeObjectURL(url) },
  }
}

// An image which says what it shows, or why it cannot be shown.
function frame(pictures, photo, size, alt, small) {
  const el = h('span', { class: 'wr-frame', 'data-photo': photo.id })
  const draw = ({ url, problem }) => {
    el.replaceChildren(url ? h('img', { src: url, alt, draggable: 'false' })
      : h('span', { class: 'wr-broken', role: 'img', 'aria-label': `${alt}: ${problem}`, title: problem },
        small ? 'no picture' : `This photo cannot be shown. ${problem}`))
    el.classList.add('wr-there')
  }
  el.load = () => pictures.get(photo.id, size, draw)
  return el
}

const SILENT = 'Python does not answer: it is busy, or was stopped. Everything that was confirmed is in the catalogue; '
  + 'if it was stopped, reload the page, or run the cell again, to go on.'
const AT_ONCE = 4 // candidates side by side
const GONE = 'The kernel was stopped or restarted. Everything that was confirmed is in the catalogue; reload the page, or run the cell '
  + 'again, to go on.'

function render({ model, el }) {
  const pictures = pictureStore(model)
  let now = model.get('screen'), busy = false, gone = false, patience
  let chosen = 0, photo = 0, ticked = new Set() // candidate, its photo, unnamed photos that go along
  let view = { z: 1, x: 0, y: 0 }, tone = { contrast: 1, brightness: 1 }, turns = [0, 0]
  let heatOn = false, heat = new Map() // 'a-b' -> [url, url] or a sentence
  let many = false // several candidates side by side?

  // ---- saying what the person wants
  const candidate = () => now.candidates[chosen]
  const compared = () => candidate()?.photos[photo]
  function act(action, what = {}) {
    if (gone) return say(GONE, true)
    if (busy) return
    busy = true; root.setAttribute('aria-busy', 'true')
    model.send({ task: 'act', do: action, photo: now.photo?.id ?? null, ...what })
    patience = setTimeout(() => { free(); say('No answer from Python: wait until it is idle, or restart the kernel and run '
      + 'the cell again. All that was confirmed is in the catalogue.', true) }, 15000)
  }
  const free = () => { busy = false; root.removeAttribute('aria-busy'); clearTimeout(patience) }
  const say = (text, trouble) => { status.textContent = text; status.classList.toggle('wr-trouble', !!trouble) }
  const along = () => { // undecided photos that are named together with the one on the left
    const ids = new Set(ticked)
    if (candidate() && !candidate().whale) ids.add(compared().id)
    return [...ids]
  }
  const confirm = () => {
    const c = candidate()
    if (!c) return say('There is no candidate: make it a new whale, or skip.', true)
    c.whale ? act('same', { whale: c.whale, photos: along() }) : act('new', { photos: along() })
  }
  const reject = () => {
    const c = candidate()
    if (!c) return say('There is no candidate left to tell apart.', true)
    act('different', c.whale ? { whale: c.whale } : { photos: c.photos.map(p => p.id) })
  }

  // ---- the parts that stay
  const once = run => e => { if (e.detail < 2) run() } // the second click of a double click would meet the next photo
  const button = (label, key, run, extra = {}) =>
    h('button', { type: 'button', title: key && `${label} (${key})`, 'aria-keyshortcuts': key, onclick: once(run), ...extra },
      label, key && h('kbd', { 'aria-hidden': 'true' }, key))
  const icon = (text, label, key, run) =>
    h('button', { type: 'button', class: 'wr-icon', 'aria-label': label, title: `${label} (${key})`, onclick: run }, text)
  const slider = (name, label, sign) => h('label', { title: label }, sign, h('input', { type: 'range', 'aria-label': label,
    min: '.4', max: '2.5', step: '.1', value: '1', oninput: e => { tone[name] = +e.target.value; place() } }))
  const title = h('span', { class: 'wr-title' }), bar = h('i'), day_ = h('span', { class: 'wr-tally' })
  const progress = h('span', { class: 'wr-progress', role: 'progressbar', 'aria-label': 'named today', 'aria-valuemin': '0' },
    bar)
  function newPane(more, ...inside) {
    const stage = h('div', { class: 'wr-stage' }), caption = h('figcaption')
    const pane = h('div', { class: 'wr-pane' }, stage)
    return { stage, caption, pane, figure: h('figure', more, caption, pane, inside) }
  }
  const panes = [0, 1].map(i => newPane({},
    icon('⟳', i ? 'turn the candidate' : 'turn the photo', i ? 'R' : 'Shift+R', () => turn(i))))
  const pair = h('div', { class: 'wr-panes' }, panes.map(p => p.figure))
  const pageStart = () => AT_ONCE * Math.floor(chosen / AT_ONCE)
  const sheetPanes = [...Array(AT_ONCE).keys()].map(k => newPane({ role: 'listitem', onclick: () => {
    const i = pageStart() + k
    if (i !== chosen) choose(i, 0)
  } }))
  const sheet = h('div', { class: 'wr-sheet', role: 'list', 'aria-label': 'candidates side by side', hidden: true },
    sheetPanes.map(p => p.figure))
  const list = h('div', { class: 'wr-list', role: 'list', 'aria-label': 'candidates' })
  const status = h('div', { class: 'wr-status', role: 'status', 'aria-live': 'polite' })
  const heatButton = button('Heat map', 'H', () => toggleHeat(), { 'aria-pressed': 'false' })
  const galleryButton = button('Gallery', 'G', () => showGallery())
  const manyButton = button('Side by side', 'V', () => { many = !many; drawChoice() }, { 'aria-pressed': 'false' })
  const contrast = slider('contrast', 'Contrast (C)', '◐'), brightness = slider('brightness', 'Brightness (B)', '☀')
  const tools = h('div', { class: 'wr-tools', role: 'toolbar', 'aria-label': 'looking' },
    icon('−', 'further away', '−', () => zoom(1 / 1.4)), icon('+', 'closer', '+', () => zoom(1.4)),
    button('Whole', '0', () => whole()), heatButton, galleryButton, manyButton, h('span', {}, contrast, brightness))
  const strip = h('div', { class: 'wr-strip', role: 'group', 'aria-label': 'taken in one go with the photo' })
  const encounterButton = button('All go along', 'E', () => tick(...now.photo.beside))
  const buttons = {
    same: button('Same whale', 'Y', confirm, { class: 'wr-main' }),
    different: button('Not this whale', 'N', reject), new: button('New whale', 'W', () => act('new', { photos: [...ticked] })),
    skip: button('Skip', 'S', () => act('skip')), undo: button('Undo', 'U', () => act('undo')),
    name: button('By name', 'A', () => askName()), merge: button('Merge', 'M', () => askMerge()),
    split: button('Split', 'P', () => askSplit()), note: button('Note', 'T', () => askNote()),
    describe: button('Describe', 'D', () => askFields()), box: button('Box', 'I', () => askBox()),
  }
  const actions = h('div', { class: 'wr-actions', role: 'toolbar', 'aria-label': 'deciding' },
    ['same', 'different', 'new', 'skip'].map(k => buttons[k]), h('span', { class: 'wr-gap' }),
    ['undo', 'name', 'merge', 'split', 'box', 'note', 'describe'].map(k => buttons[k]))
  const filters = h('form', { class: 'wr-filters', hidden: true, 'aria-label': 'filters', onsubmit: e => e.preventDefault() })
  const filterButton = button('Filters', 'F', () => {
    filters.hidden = !filters.hidden
    filterButton.setAttribute('aria-expanded', !filters.hidden)
    if (!filters.hidden) filters.querySelector('select').focus()
  }, { 'aria-expanded': 'false' })
  const dialog = h('dialog', { class: 'wr-dialog', onclose: () => root.focus({ preventScroll: true }) })
  const root = h('div', { class: 'wr', tabindex: '0', role: 'application', 'data-lm-suppress-shortcuts': 'true',
    'aria-label': 'Review table; press question mark for the keys' },
    h('div', { class: 'wr-head' }, title, progress, day_, h('span', { class: 'wr-gap' }), filterButton, button('Keys', '?', () => help())),
    filters, h('div', { class: 'wr-body' }, h('div', { class: 'wr-look' }, pair, strip, tools), list, sheet),
    actions, status, dialog)
  el.append(root)
  // only what is on the screen is loaded
  const watch = new IntersectionObserver(seen => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) { target.load(); watch.unobserve(target) }
  }, { root: null, rootMargin: '80px' })

  // ---- looking
  function place() { // one zoom and one position for both photos
    const s = root.style
    view.x = clamp(view.x, -view.z, view.z); view.y = clamp(view.y, -view.z, view.z)
    if (view.z === 1) view.x = view.y = 0
    s.setProperty('--z', view.z); s.setProperty('--x', view.x); s.setProperty('--y', view.y)
    s.setProperty('--contrast', tone.contrast); s.setProperty('--brightness', tone.brightness)
    contrast.lastChild.value = tone.contrast; brightness.lastChild.value = tone.brightness
    panes.forEach(({ stage }, i) => { stage.dataset.turn = turns[i] })
    sheetPanes.forEach(({ stage }, k) => { stage.dataset.turn = k === chosen % AT_ONCE ? turns[1] : 0 })
  }
  const whole = () => { view = { z: 1, x: 0, y: 0 }; tone = { contrast: 1, brightness: 1 }; turns = [0, 0]; place() }
  const turn = i => { turns[i] = (turns[i] + 90) % 360; place() }
  function zoom(factor, px = 0, py = 0) { // px, py: the point that stays, from the middle, as a share of the pane
    const z = clamp(view.z * factor, 1, 16), f = z / view.z
    view = { z: z < 1.01 ? 1 : z, x: px - (px - view.x) * f, y: py - (py - view.y) * f }
    place()
  }
  for (const { pane } of [...panes, ...sheetPanes]) {
    const at = e => { // from the middle, as a share of the pane; the pane
      const b = pane.getBoundingClientRect()
      return [(e.clientX - b.left) / b.width - .5, (e.clientY - b.top) / b.height - .5, b]
    }
    pane.addEventListener('wheel', e => {
      if (!root.contains(focused())) return // the notebook scrolls until somebody works here
      e.preventDefault(); e.stopPropagation()
      zoom(Math.exp(-e.deltaY / 400), ...at(e))
    }, { passive: false })
    pane.addEventListener('pointerdown', e => { pane.setPointerCapture(e.pointerId); pane.classList.add('wr-drag') })
    pane.addEventListener('pointermove', e => {
      if (!pane.hasPointerCapture(e.pointerId)) return
      const b = at(e)[2]
      view.x += e.movementX / b.width; view.y += e.movementY / b.height; place()
    })
    for (const end of ['pointerup', 'pointercancel']) pane.addEventListener(end, () => pane.classList.remove('wr-drag'))
  }
  const pairKey = () => now.photo && compared() ? `${now.photo.id}-${compared().id}` : ''
  function toggleHeat() {
    if (!now.heat) return say('Heat maps need the folder of the model: review(…, model_folder="runs/demo").', true)
    heatOn = !heatOn; drawHeat()
  }
  function drawHeat() {
    heatButton.setAttribute('aria-pressed', heatOn); root.classList.toggle('wr-hot', heatOn)
    root.querySelectorAll('.wr-heat').forEach(e => e.remove())
    const shown = [panes[0], many ? sheetPanes[chosen % AT_ONCE] : panes[1]]
    const key = pairKey(), have = heat.get(key)
    if (!heatOn || !key) return
    if (Array.isArray(have)) shown.forEach(({ stage }, i) => stage.append(h('img', { class: 'wr-heat', src: have[i],
      alt: 'heat map: red speaks for the same whale, blue against it' })))
    else if (have) say(have, true)
    else if (have === undefined) {
      heat.set(key, ''); say('The heat maps are being worked out …')
      model.send({ task: 'heat', pair: [now.photo.id, compared().id] })
    }
  }

  // ---- drawing what there is
  function fill({ stage, caption, figure }, photo, alt, ...text) {
    caption.replaceChildren(...text.flat(Infinity).filter(Boolean))
    figure.classList.toggle('wr-none', !photo)
    if (stage.photo === photo?.id) return
    stage.photo = photo?.id
    stage.replaceChildren()
    if (!photo) return
    // the small picture is there at once, the large one takes its place
    const small = frame(pictures, photo, 'small', alt), large = frame(pictures, photo, 'large', alt)
    small.setAttribute('aria-hidden', 'true'); small.load(); large.load(); stage.append(small, large)
  }
  function thumb(p, label, onclick) { // a photo to click on; its picture comes when it is seen
    const f = frame(pictures, p, 'small', `${label}: ${about(p)}`, true)
    watch.observe(f)
    return h('button', { type: 'button', class: 'wr-thumb', 'aria-label': label, 'aria-pressed': 'false', 'data-photo': p.id,
      title: `${p.name}: ${about(p)}`, onclick }, f)
  }
  function card(c, i) {
    const name = c.whale || 'not named yet'
    const box = p => h('input', { type: 'checkbox', 'aria-label': `photo ${p.id} goes along`, onchange: () => tick(p) })
    const thumbs = c.photos.map((p, j) => h('div', {},
      thumb(p, `${name}, photo ${p.id}, ${percent(p.probability)}`, () => choose(i, j)),
      c.whale ? h('span', { class: 'wr-day' }, day(p)) : h('label', { class: 'wr-day', title: 'goes along (X)' }, box(p), day(p))))
    const places = [...new Set(c.photos.map(p => p.place).filter(Boolean))].join(', ')
    return h('div', { class: 'wr-card', role: 'listitem', 'data-whale': c.whale },
      h('button', { type: 'button', class: 'wr-name', onclick: () => choose(i, 0) },
        i < 9 && h('kbd', { 'aria-hidden': 'true' }, i + 1), h('b', {}, name), h('span', { class: 'wr-place' }, [places, ...said(c)].filter(Boolean).join(' · ')),
        h('span', { class: 'wr-bar', 'aria-hidden': 'true' }, h('i', { style: `width:${100 * (c.probability ?? 0)}%` })),
        h('span', { class: 'wr-percent' }, c.probability == null ? '–' : percent(c.probability))),
      h('div', { class: 'wr-thumbs' }, thumbs))
  }
  function choose(i, j) { // a candidate and one of its photos
    if (!now.candidates.length) return
    const before = compared()?.id
    chosen = clamp(i, 0, now.candidates.length - 1)
    photo = clamp(j, 0, candidate().photos.length - 1)
    if (compared().id !== before) turns[1] = 0
    drawChoice()
  }
  const named = c => c.whale || 'not named yet'
  function fillCandidate(pane, c, p, ...before) {
    fill(pane, p, p && `${named(c)}, photo ${p.id}: ${about(p)}`,
      p && [line(...before, h('b', {}, named(c)), ` photo ${p.id}, this pair ${percent(p.probability)}`), line(about(p))])
  }
  function drawSheet() { // the chosen candidate and those of its page, each with one photo
    root.classList.toggle('wr-many', many); manyButton.setAttribute('aria-pressed', many)
    sheet.hidden = !many; list.hidden = panes[1].figure.hidden = many
    if (!many) return
    sheetPanes.forEach((pane, k) => {
      const i = pageStart() + k, c = now.candidates[i]
      fillCandidate(pane, c, c?.photos[i === chosen ? photo : 0], i < 9 && h('kbd', { 'aria-hidden': 'true' }, i + 1), ' ')
      pane.figure.toggleAttribute('data-chosen', i === chosen && !!c)
    })
  }
  const tick = (...some) => { // unnamed photos go along, or stay
    if (some.some(p => p.whale)) return
    const on = some.some(p => !ticked.has(p.id))
    for (const p of some) on ? ticked.add(p.id) : ticked.delete(p.id)
    drawChoice()
  }
  function drawStrip() { // what was taken in one go with the photo on the left
    const beside = now.photo?.beside ?? []
    strip.hidden = !beside.length
    strip.replaceChildren(h('span', { class: 'wr-beside' }, `Taken with it: ${beside.length}`, encounterButton),
      ...beside.map(p => thumb(p, `photo ${p.id}, taken with it, goes along`, () => tick(p))))
  }
  function drawChoice() {
    const c = candidate(), p = compared()
    strip.querySelectorAll('.wr-thumb').forEach(b => b.setAttribute('aria-pressed', ticked.has(+b.dataset.photo)))
    ;[...list.children].forEach((el, i) => {
      el.toggleAttribute('data-chosen', i === chosen && !!c)
      el.querySelectorAll('.wr-thumb').forEach((b, j) => {
        const other = now.candidates[i]?.photos[j]
        b.setAttribute('aria-pressed', i === chosen && j === photo)
        const box = b.parentElement.querySelector('input')
        if (box) { box.disabled = i === chosen && j === photo; box.checked = box.disabled || ticked.has(other.id) }
      })
    })
    if (c) { // scroll the list, and never the notebook
      const card = list.children[chosen], top = card.offsetTop - list.offsetTop
      list.scrollTop = clamp(list.scrollTop, top + card.offsetHeight - list.clientHeight + 4, top - 4)
    }
    fillCandidate(panes[1], c, p)
    drawSheet()
    const more = along().length
    buttons.same.firstChild.textContent = more > (c?.whale ? 0 : 1) ? `Same whale (${more + 1} photos)` : 'Same whale'
    place(); drawHeat()
  }
  const boxes = new Map() // of the pictures that are kept
  function forgetOldCuts() {
    const shown = [now.photo, ...(now.photo?.beside ?? []), ...now.candidates.flatMap(c => c.photos)].filter(Boolean)
    for (const p of shown) {
      if (boxes.has(p.id) && boxes.get(p.id) !== p.box) {
        pictures.forget(p.id)
        for (const { stage } of [...panes, ...sheetPanes]) if (stage.photo === p.id) stage.photo = null
      }
      boxes.set(p.id, p.box)
    }
  }
  function draw() {
    forgetOldCuts()
    const fresh = now.photo?.id !== panes[0].stage.photo, t = now.today, done = t.same + t.new, p = now.photo
    if (fresh) { view = { z: 1, x: 0, y: 0 }; turns = [0, 0]; ticked.clear() }
    pair.classList.toggle('wr-wide', !!p?.wide)
    title.replaceChildren(h('b', {}, now.file), ` ${now.who}`, now.second ? h('span', { class: 'wr-second' }, 'second opinion') : '')
    title.title = `ranked by ${now.model}`
    progress.setAttribute('aria-valuemax', done + now.left); progress.setAttribute('aria-valuenow', done)
    bar.style.width = `${100 * done / Math.max(1, done + now.left)}%`
    day_.replaceChildren(h('b', {}, now.left.toLocaleString('en')), ' left · today ', h('b', {}, done), now.second
      ? ` opinions (${t.new} new)` : ` named (${t.new} new), ${t.different} told apart, ${t.skipped} skipped`)
    fill(panes[0], p, p && `photo ${p.id}, to be named: ${about(p)}`,
      p && [line(h('b', {}, `Photo ${p.id}`), p.proposal && ` model: ${p.proposal}`), line([about(p), ...said(p)].join(' · ')),
        p.notes.map(n => h('span', { class: 'wr-note', title: n.text }, `“${n.text}” ${n.who}, ${n.day}`))])
    watch.disconnect()
    drawStrip()
    list.replaceChildren(...now.candidates.map(card))
    if (!now.candidates.length) list.append(h('p', { class: 'wr-empty' },
      p ? 'No candidate is left. Make it a new whale, or skip.' : 'Nothing is left to review here. Thank you!'))
    for (const k of ['same', 'different']) buttons[k].disabled = !now.candidates.length
    for (const k of ['new', 'skip', 'name', 'note', 'describe', 'box']) buttons[k].disabled = !p
    buttons.describe.hidden = !now.choices.fields.length
    for (const k of ['merge', 'split', 'note', 'box']) buttons[k].hidden = now.second
    buttons.undo.disabled = !t.last; buttons.undo.title = t.last ? `Undo (U): ${t.last}` : 'Nothing to undo'
    galleryButton.disabled = !now.candidates.some(c => c.whale)
    buttons.split.disabled = !now.candidates.some(c => c.whale)
    heatButton.classList.toggle('wr-off', !now.heat); heatButton.setAttribute('aria-disabled', !now.heat)
    heatButton.title = now.heat ? 'Heat map (H)' : 'Heat maps need the folder of the model: review(…, model_folder=…)'
    drawFilters()
    const keep = now.candidates.findIndex(c => c.whale && c.whale === draw.whale)
    chosen = fresh || keep < 0 ? Math.min(fresh ? 0 : chosen, Math.max(0, now.candidates.length - 1)) : keep
    photo = fresh ? 0 : Math.min(photo, (candidate()?.photos.length ?? 1) - 1)
    drawChoice()
    say(now.message, now.trouble)
    setTimeout(() => now.next.forEach((id, i) => { pictures.get(id, 'small'); if (i < 2) pictures.get(id, 'large') }), 150)
  }
  const knownShare = () => h('label', { title: 'of the new groups, how many show an animal that is in the catalogue' }, 'Known animals',
    h('input', { type: 'number', name: 'share', min: '0', max: '100', step: '1', value: Math.round(100 * now.share),
      onchange: e => act('believe', { percent: e.target.value }) }), '%')
  function savedFilters() { // filters that were given a name
    const { saved } = now.choices, names = Object.keys(saved)
    const same = name => Object.entries(saved[name]).every(([k, v]) => now.filters[k] === v), mine = names.find(same) ?? ''
    const keep = () => ask('Keep these filters', text('name', 'Name', mine), 'Keep', () => act('save', { name: field('name') }))
    return [names.length && h('label', {}, 'Kept', h('select', { name: 'saved', onchange: e => e.target.value && act('choose', saved[e.target.value]) },
      ['', ...names].map(n => h('option', { value: n, selected: n === mine }, n || '–')))),
    button('Keep as', '', keep), mine && button('Forget', '', () => act('forget', { name: mine }))].filter(Boolean)
  }
  function drawFilters() {
    const f = now.filters, change = name => e => act('choose', { [name]: e.target.value })
    const select = (name, label, options) => h('label', {}, label, h('select', { onchange: change(name), name },
      options.map(([value, text]) => h('option', { value, selected: value === f[name] }, text))))
    const date = (name, label) => h('label', {}, label,
      h('input', { type: 'date', name, value: f[name], onchange: change(name) }))
    filterButton.classList.toggle('wr-on', Object.entries(f).some(([k, v]) => v && v !== 'all'))
    filterButton.setAttribute('aria-expanded', !filters.hidden)
    const name = filters.contains(focused()) && focused().name
    filters.replaceChildren(
      select('viewpoint', 'Viewpoint', [['', 'any'], ...now.choices.viewpoint.map(v => [v, v])]),
      select('place', 'Place', [['', 'any'], ...now.choices.place.map(v => [v, v])]),
      date('since', 'From'), date('until', 'To'),
      select('lacking', 'Lacking', [['', '–'], ['place', 'place'], ['taken_at', 'date'], ['viewpoint', 'viewpoint']]),
      select('show', 'Show', [['all', 'all undecided'], ['waiting', 'not skipped'], ['skipped', 'skipped']]),
      button('Clear', '', () => act('choose', { viewpoint: '', place: '', since: '', until: '', lacking: '', show: 'all' })))
    filters.append(...savedFilters())
    if (now.choices.matched) filters.append(h('span', { class: 'wr-matched' }, `The last match compared photos ${now.choices.matched}.`))
    if (now.share !== null) filters.append(knownShare())
    if (name) filters.elements[name]?.focus()
  }

  // ---- questions
  function ask(heading, body, answer, run) {
    const form = h('form', { method: 'dialog', onsubmit: () => run() }, h('h3', {}, heading), body,
      h('div', { class: 'wr-answers' }, button(answer ? 'Cancel' : 'Close', '', () => dialog.close()),
        answer && h('button', { class: 'wr-main', type: 'submit' }, answer)))
    dialog.replaceChildren(form); dialog.showModal()
    form.querySelector('[autofocus], input, textarea, button')?.focus()
  }
  const text = (name, label, value = '', extra = {}) => h('label', { class: 'wr-line' }, label,
    h('input', { name, value, autocomplete: 'off', spellcheck: 'false', ...extra }))
  const field = name => dialog.querySelector('form').elements[name].value.trim()
  function help() {
    const keys = text => text.split(' ').map(k => k === '…' ? k : h('kbd', {}, k))
    ask('Keys', h('div', { class: 'wr-keys' }, Object.entries(KEYS).map(([part, rows]) => h('section', {}, h('h4', {}, part),
      h('dl', {}, rows.map(([k, what]) => [h('dt', {}, keys(k)), h('dd', {}, what)]))))))
  }
  function askName() {
    if (!now.photo) return
    ask(`Who is photo ${now.photo.id}?`, [text('name', 'Name'),
      h('label', { class: 'wr-check' }, h('input', { type: 'checkbox', name: 'new' }), 'a new whale of this name')], 'Confirm',
    () => act(dialog.querySelector('[name=new]').checked ? 'new' : 'same', { whale: field('name'), photos: [...ticked] }))
  }
  function askMerge() {
    const whales = now.candidates.map(c => c.whale).filter(Boolean)
    const keep = text('whale', 'Name that stays', candidate()?.whale ?? '')
    ask('Which whales are one?', [h('div', { class: 'wr-checks' }, whales.map(w => h('label', { class: 'wr-check' },
      h('input', { type: 'checkbox', name: 'whales', value: w, checked: w === candidate()?.whale }), w))),
    text('more', 'Others (commas between)'), keep], 'Merge', () => {
      const ticked = [...dialog.querySelectorAll('[name=whales]:checked')].map(b => b.value)
      const more = field('more').split(',').map(w => w.trim()).filter(Boolean)
      act('merge', { whale: field('whale'), whales: [...ticked, ...more] })
    })
  }
  function askSplit() {
    const whale = candidate()?.whale
    if (!whale) return say('Choose a whale first: photos can be parted from a whale that has a name.', true)
    ask(`Which photos are not ${whale}?`, [h('div', { class: 'wr-album' }, 'One moment …'),
      text('name', 'Name of the other whale', '', { placeholder: 'a number' })], 'Split', () => {
      const photos = [...dialog.querySelectorAll('.wr-thumb[aria-pressed=true]')].map(b => +b.dataset.photo)
      act('split', { whale, name: field('name'), photos })
    })
    model.send({ task: 'album', whale })
  }
  function showGallery() {
    const whale = candidate()?.whale
    if (!whale) return say('Choose a whale that has a name: the gallery shows all its photos.', true)
    ask(whale, h('div', { class: 'wr-gallery', tabindex: '0' }, 'One moment …'), '', () => {})
    model.send({ task: 'album', whale })
  }
  function drawGallery({ album, photos }) { // a row for each view, a column for each year
    const year = p => p.taken.slice(0, 4) || 'no date', view = p => p.viewpoint || 'no viewpoint'
    const years = [...new Set(photos.map(year))].sort(), views = [...new Set(photos.map(view))].sort()
    const cell = (v, y) => h('td', {}, photos.filter(p => view(p) === v && year(p) === y).map(p => {
      const f = frame(pictures, p, 'small', `${album}, photo ${p.id}: ${about(p)}`, true)
      watch.observe(f)
      return h('span', { class: 'wr-thumb', title: `photo ${p.id}: ${about(p)}` }, f)
    }))
    dialog.querySelector('.wr-gallery').replaceChildren(h('table', {},
      h('caption', {}, `${photos.length} photos`),
      h('tr', {}, h('td'), years.map(y => h('th', { scope: 'col' }, y))),
      views.map(v => h('tr', {}, h('th', { scope: 'row' }, v), years.map(y => cell(v, y))))))
  }
  function drawAlbum({ album, photos }) {
    if (dialog.querySelector('.wr-gallery')) return drawGallery({ album, photos })
    const flip = e => e.currentTarget.setAttribute('aria-pressed', e.currentTarget.getAttribute('aria-pressed') !== 'true')
    dialog.querySelector('.wr-album')?.replaceChildren(...photos.map(p => h('div', {}, thumb(p, `${album}, photo ${p.id}`, flip),
      h('span', { class: 'wr-day' }, day(p)))))
  }
  function askNote() {
    if (!now.photo) return
    const whale = candidate()?.whale
    ask('Note', [h('textarea', { name: 'text', rows: '4', 'aria-label': 'note', autofocus: true }),
      h('label', { class: 'wr-line' }, 'About', h('select', { name: 'about' },
        h('option', { value: '' }, `photo ${now.photo.id}`), whale && h('option', { value: whale }, whale)))],
    'Write', () => act('note', { text: field('text'), whale: field('about') }))
  }

  // ---- a box around the animal, in pixels of the whole photo; drawn, or written as four numbers
  let drawing // what the dialog knows: id, width, height, say
  const SIDES = ['x', 'y', 'width', 'height']
  function askBox() {
    if (!now.photo) return
    const p = now.photo, canvas = h('div', { class: 'wr-canvas' }, 'One moment …')
    drawing = { id: p.id, canvas, box: p.box ? p.box.split(',').map(Number) : null }
    const numbers = SIDES.map((side, i) => h('label', {}, side, h('input', { type: 'number', name: side, min: i < 2 ? '0' : '1', step: '1',
      oninput: () => { drawing.box = SIDES.map(s => +field(s)); showBox() } })))
    ask(`Where is the animal in photo ${p.id}?`, [canvas, h('div', { class: 'wr-sides' }, numbers, button('Whole photo', '', () => {
      drawing.box = [0, 0, drawing.width, drawing.height]; showBox(true)
    }))], 'Cut out', () => drawing.box && act('box', { box: drawing.box }))
    model.send({ task: 'frame', photo: p.id })
  }
  function showBox(write) { // over the photo, and in the four numbers
    const { box, width, height, mark } = drawing
    if (!box || !mark) return
    if (write) SIDES.forEach((s, i) => { dialog.querySelector(`[name=${s}]`).value = box[i] })
    const shares = [box[0] / width, box[1] / height, box[2] / width, box[3] / height]
    ;['left', 'top', 'width', 'height'].forEach((k, i) => { mark.style[k] = `${100 * shares[i]}%` })
    mark.hidden = !(box[2] > 0 && box[3] > 0)
  }
  function drawFrame({ frame, size, problem }, [bytes]) {
    if (!dialog.open || drawing?.id !== frame) return
    if (problem) return drawing.canvas.replaceChildren(problem)
    const im = h('img', { alt: `photo ${frame}, all of it`, draggable: 'false',
      src: URL.createObjectURL(new Blob([bytes], { type: 'image/jpeg' })) })
    const mark = h('div', { class: 'wr-mark', hidden: true }), area = h('div', { class: 'wr-area' }, im, mark)
    Object.assign(drawing, { width: size[0], height: size[1], mark })
    let from
    const at = e => { // in pixels of the photo
      const b = area.getBoundingClientRect()
      return [clamp((e.clientX - b.left) / b.width, 0, 1) * size[0], clamp((e.clientY - b.top) / b.height, 0, 1) * size[1]]
    }
    area.addEventListener('pointerdown', e => { e.preventDefault(); area.setPointerCapture(e.pointerId); from = at(e) })
    area.addEventListener('pointermove', e => {
      if (!from) return
      const to = at(e), low = from.map((v, i) => Math.round(Math.min(v, to[i])))
      drawing.box = [...low, ...from.map((v, i) => Math.round(Math.max(v, to[i])) - low[i])]
      showBox(true)
    })
    for (const end of ['pointerup', 'pointercancel']) area.addEventListener(end, () => { from = null })
    drawing.canvas.replaceChildren(area)
    showBox(true)
  }

  function askFields() {
    const { fields } = now.choices, c = candidate()
    if (!now.photo || !fields.length) return say('There are no fields: fields.csv beside the catalogue says which there are.', true)
    const asked = fields.filter(f => f.about === 'photo' || c?.whale), of = f => (f.about === 'photo' ? now.photo : c).said?.[f.name] ?? ''
    const box = (f, i) => f.values.length
      ? h('select', { name: `f${i}` }, ['', ...f.values].map(v => h('option', { value: v, selected: v === of(f) }, v || '–')))
      : h('input', { name: `f${i}`, value: of(f), autocomplete: 'off' })
    const who = f => f.about === 'photo' ? `photo ${now.photo.id}` : c.whale
    ask('Describe', asked.map((f, i) => h('label', { class: 'wr-line' }, `${f.name} of ${who(f)}`, box(f, i))), 'Write', () => {
      const changed = about => Object.fromEntries(asked.map((f, i) => [f, field(`f${i}`)])
        .filter(([f, value]) => f.about === about && value !== of(f)).map(([f, value]) => [f.name, value]))
      act('describe', { of_photo: changed('photo'), of_whale: changed('animal'), whale: c?.whale ?? '' })
    })
  }

  // ---- keys
  const move = (x, y) => { view.x += x / 8; view.y += y / 8; place() }
  const arrows = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1],
    j: [1, 0], k: [-1, 0], '.': [0, 1], ',': [0, -1] }
  const shade = (name, by) => { tone[name] = clamp(Math.round(10 * (tone[name] + by)) / 10, .4, 2.5); place() }
  const press = b => () => b.disabled || b.click()
  const keys = {
    y: press(buttons.same), Enter: press(buttons.same), n: press(buttons.different), w: press(buttons.new),
    s: press(buttons.skip), u: press(buttons.undo), a: press(buttons.name), m: press(buttons.merge),
    p: press(buttons.split), t: press(buttons.note), i: press(buttons.box), d: press(buttons.describe), f: press(filterButton), h: toggleHeat, '?': help,
    g: press(galleryButton), e: press(encounterButton), v: press(manyButton),
    '+': () => zoom(1.4), '=': () => zoom(1.4), '-': () => zoom(1 / 1.4), '−': () => zoom(1 / 1.4), 0: whole,
    r: () => turn(1), R: () => turn(0), c: () => shade('contrast', .1), C: () => shade('contrast', -.1),
    b: () => shade('brightness', .1), B: () => shade('brightness', -.1),
    x: () => compared() && tick(compared()), X: () => compared() && tick(...candidate().photos),
  }
  function key(e) {
    if (e.target.closest('input:not([type=checkbox]), select, textarea, dialog')) {
      if (e.key === 'Escape' && !dialog.open) root.focus({ preventScroll: true })
      return
    }
    if (e.key === 'Enter' && e.target.closest('button')) return // a button under the focus is what Enter means
    if (e.repeat && /^(y|n|w|s|u|z|enter)$/i.test(e.key)) return e.preventDefault() // a key that is held decides once
    if (e.ctrlKey || e.metaKey || e.altKey) {
      if (e.key === 'z') keys.u(); else if (e.key !== 's') return
      return e.preventDefault()
    }
    const run = view.z > 1 && arrows[e.key] ? () => move(...arrows[e.key])
      : steps[e.key] ? () => choose(chosen + steps[e.key][0], steps[e.key][0] ? 0 : photo + steps[e.key][1])
      : /^[1-9]$/.test(e.key) ? () => choose(e.key - 1, 0) : keys[e.key] ?? keys[e.key.toLowerCase()]
    if (run) { e.preventDefault(); run() }
  }
  root.addEventListener('keydown', key)
  for (const type of ['keydown', 'keyup', 'keypress']) root.addEventListener(type, e => e.stopPropagation())
  root.addEventListener('click', e => { // after the mouse the keys work on
    if (e.detail && !dialog.open && !e.target.closest('.wr-filters')) root.focus({ preventScroll: true })
  })

  // ---- news from Python
  const focused = () => root.getRootNode().activeElement
  const renew = () => {
    const mine = root.contains(focused())
    draw.whale = candidate()?.whale; now = model.get('screen'); free(); draw()
    if (mine && (!root.contains(focused()) || focused().disabled)) root.focus({ preventScroll: true }) // what had it is gone
  }
  const receive = (message, buffers) => {
    if (message.album) drawAlbum(message)
    if (message.frame) drawFrame(message, buffers)
    if (message.heat) {
      const key = message.heat.join('-'), url = b => URL.createObjectURL(new Blob([b], { type: 'image/png' }))
      heat.set(key, message.problem || buffers.map(url))
      if (key === pairKey()) { say(message.problem ? '' : now.message, now.trouble); drawHeat() }
    }
    if (message.alive) alive()
    if (message.sorry) { free(); say(message.sorry, true) }
  }
  // ---- is anybody there? JupyterLab marks what has lost its kernel; one that was killed just does not answer
  const lose = () => {
    if (gone || !el.closest('.jupyter-widgets-disconnected')) return
    gone = true; free(); say(GONE, true)
    for (const b of Object.values(buttons)) b.disabled = true
  }
  const kernel = new MutationObserver(lose)
  kernel.observe(el, { attributeFilter: ['class'] })
  let asked = 0, silent = false
  const pulse = setInterval(() => {
    if (gone || document.hidden) return
    if (!asked) { asked = Date.now(); return model.send({ task: 'alive' }) }
    if (!silent && Date.now() - asked > 9000) { silent = true; free(); say(SILENT, true) }
  }, 3000)
  const alive = () => {
    asked = 0
    if (silent) { silent = false; say(now.message, now.trouble) }
  }
  model.on('change:screen', renew); model.on('msg:custom', receive)
  draw()
  return () => {
    model.off('change:screen', renew); model.off('msg:custom', receive); kernel.disconnect(); clearInterval(pulse)
    watch.disconnect(); pictures.close(); clearTimeout(patience)
  }
}

export default { render }
