-- Outcrop's notes as fields of Wireshark and tshark.
--
-- A capture of Outcrop carries, with each packet, the state it met and the reason it left, as key=value words in the
-- packet's comment. This post-dissector makes fields of them, so that they can be filtered by, shown in columns and
-- plotted:   outcrop.why == "fast-retransmit"      outcrop.cwnd < 20000      outcrop.lim == "rwnd"
--
-- Install: Wireshark's Help > About > Folders > Personal Lua Plugins, or   tshark -X lua_script:outcrop.lua -r FILE

local outcrop = Proto("outcrop", "Outcrop: state and reason")

-- Key in the comment, abbreviation, name, kind.
local NUMBERS = {
  { "cwnd", "Congestion window (bytes)" },
  { "ssthresh", "Slow start threshold (bytes)" },
  { "inflight", "In flight (bytes)" },
  { "rwnd", "Peer's window (bytes)" },
  { "snd_una", "Oldest unacknowledged byte (stream offset)" },
  { "snd_nxt", "Next byte to send (stream offset)" },
  { "rcv_nxt", "Next byte expected (stream offset)" },
  { "rcv_wnd", "Window offered (bytes)" },
  { "mss", "Segment size (bytes)" },
  { "gso", "Cut by the device into segments of (bytes)" },
}
local TIMES = {
  { "srtt_ms", "Smoothed round trip (ms)" },
  { "rto_ms", "Retransmission timeout (ms)" },
}
local WORDS = {
  { "state", "State" },
  { "why", "Why it left" },
  { "cause", "Caused by" },
  { "lim", "What held the sender back" },
  { "drop", "Why it was dropped" },
  { "rule", "Rule applied" },
  { "src", "Line of code" },
}

local fields, all = {}, {}
local function add(list, make)
  for _, entry in ipairs(list) do
    local field = make("outcrop." .. entry[1], entry[2])
    fields[entry[1]] = field
    all[#all + 1] = field
  end
end
add(NUMBERS, function(abbr, name) return ProtoField.uint64(abbr, name) end)
add(TIMES, function(abbr, name) return ProtoField.double(abbr, name) end)
add(WORDS, function(abbr, name) return ProtoField.string(abbr, name) end)
fields.said = ProtoField.string("outcrop.said", "In words")
all[#all + 1] = fields.said
outcrop.fields = all

local numeric, timed = {}, {}
for _, entry in ipairs(NUMBERS) do numeric[entry[1]] = true end
for _, entry in ipairs(TIMES) do timed[entry[1]] = true end

local comments = Field.new("frame.comment")

function outcrop.dissector(buffer, pinfo, tree)
  local subtree
  local function top()
    subtree = subtree or tree:add(outcrop, buffer())
    return subtree
  end
  for _, comment in ipairs({ comments() }) do
    local text, found = tostring(comment), false
    for key, value in text:gmatch("([%a_]+)=(%S+)") do
      local field = fields[key]
      if field and key ~= "said" then
        found = true
        if numeric[key] then
          local number = value:match("^%d+$")
          if number then top():add(field, UInt64(number)) end
        elseif timed[key] then
          local number = tonumber(value)
          if number then top():add(field, number) end
        else
          top():add(field, value)
        end
      end
    end
    -- A comment without pairs is the sentence about something notable.
    if not found and text ~= "" then top():add(fields.said, text) end
  end
end

register_postdissector(outcrop)
