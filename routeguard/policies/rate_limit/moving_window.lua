-- Counts one request against any number of rates, or against none of them.
--
-- KEYS: one a rate, all in one slot. ARGV: for each rate its limit and its window in microseconds,
-- the same again for the next; whether each request's time is kept (1) or counts for parts (0).
-- Returns whether the request passed (1 or 0), then for each rate what remains (-1: it refused)
-- and the microseconds until its next place becomes free.
--
-- A rate whose times are kept is a list of times, oldest first. Otherwise it is a hash: the count
-- of the whole window ("n"), the oldest and newest part ("a", "z"), and the count of each part by
-- its number. A part is counted until its last moment has left the window.

local PARTS = 100

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local text = function(number) return string.format('%.0f', number) end

local rates, passes = {}, true
for i, key in ipairs(KEYS) do
  local rate = {
    key = key,
    limit = tonumber(ARGV[3 * i - 2]),
    window = tonumber(ARGV[3 * i - 1]),
    exact = ARGV[3 * i] == '1',
    now = now,
    used = 0,
  }
  if rate.exact then
    local newest = tonumber(redis.call('LINDEX', key, -1) or 0)
    if newest > now + rate.window then
      redis.call('DEL', key) -- the server's clock was set back by more than the window
    else
      rate.now = math.max(now, newest)
      local oldest = tonumber(redis.call('LINDEX', key, 0))
      while oldest and oldest <= rate.now - rate.window do
        redis.call('LPOP', key)
        oldest = tonumber(redis.call('LINDEX', key, 0))
      end
      rate.used = redis.call('LLEN', key)
      rate.oldest = oldest
    end
  else
    rate.width = rate.window / PARTS
    rate.part = math.floor(now / rate.width)
    local kept = redis.call('HMGET', key, 'n', 'a', 'z')
    local first, last = tonumber(kept[2]), tonumber(kept[3])
    if first and (last > rate.part + PARTS or last < rate.part - PARTS) then
      redis.call('DEL', key)
    elseif first then
      rate.part = math.max(rate.part, last)
      rate.used = tonumber(kept[1])
      local gone = first
      while gone < rate.part - PARTS do
        local count = redis.call('HGET', key, text(gone))
        if count then
          rate.used = rate.used - tonumber(count)
          redis.call('HDEL', key, text(gone))
        end
        gone = gone + 1
      end
      while not redis.call('HGET', key, text(gone)) do
        gone = gone + 1
      end
      if gone > first then
        redis.call('HSET', key, 'n', text(rate.used), 'a', text(gone))
      end
      rate.first = gone
    end
  end
  passes = passes and rate.used < rate.limit
  rates[i] = rate
end

local answer = { passes and 1 or 0 }
for _, rate in ipairs(rates) do
  local free
  if rate.exact then
    if passes then
      redis.call('RPUSH', rate.key, text(rate.now))
      redis.call('PEXPIRE', rate.key, text(math.ceil(rate.window / 1000)))
    end
    free = (rate.oldest or rate.now) + rate.window - now
  else
    if passes then
      local part = text(rate.part)
      redis.call('HINCRBY', rate.key, part, 1)
      redis.call('HSET', rate.key, 'n', text(rate.used + 1), 'z', part)
      if not rate.first then
        redis.call('HSET', rate.key, 'a', part)
      end
      redis.call('PEXPIRE', rate.key, text(math.ceil((rate.window + rate.width) / 1000)))
    end
    free = (rate.first or rate.part) + PARTS + 1
    free = free * rate.width - now
  end
  local left = rate.limit - rate.used
  if passes then
    left = left - 1
  elseif left <= 0 then
    left = -1
  end
  answer[#answer + 1] = left
  answer[#answer + 1] = math.ceil(free)
end
return answer
