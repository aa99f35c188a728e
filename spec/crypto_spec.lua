local crypto = require "lunapost.core".crypto

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("a digest", function()
  it("is that of FIPS 180 and RFC 1321", function()
    assert.equal("900150983cd24fb0d6963f7d28e17f72",
      hex(crypto.digest("md5", "abc")))
    assert.equal("a9993e364706816aba3e25717850c26c9cd0d89d",
      hex(crypto.digest("sha1", "abc")))
    assert.equal("ba7816bf8f01cfea414140de5dae2223"
      .. "b00361a396177a9cb410ff61f20015ad",
      hex(crypto.digest("SHA256", "abc")))
    assert.equal("e3b0c44298fc1c149afbf4c8996fb924"
      .. "27ae41e4649b934ca495991b7852b855", hex(crypto.digest("sha256", "")))
  end)

  it("of an unknown name raises", function()
    assert.has_error(function() crypto.digest("sha257", "x") end,
      "bad argument #1 to 'digest' (unknown digest)")
    assert.has_error(function() crypto.pbkdf2("x", "a", "b", 1, 20) end)
  end)
end)

describe("a keyed digest", function()
  it("is that of RFC 2195 and RFC 4231", function()
    assert.equal("b913a602c7eda7a495b4e6e7334d3890",
      hex(crypto.hmac("md5", "tanstaaftanstaaf",
        "<1896.697170952@postoffice.reston.mci.net>")))
    assert.equal("b0344c61d8db38535ca8afceaf0bf12b"
      .. "881dc200c9833da726e9376c2e32cff7",
      hex(crypto.hmac("sha256", ("\x0b"):rep(20), "Hi There")))
  end)

  it("takes an empty key", function()
    assert.equal("b613679a0814d9ec772f95d778c35fc5"
      .. "ff1697c493715653c6c712144292c5ad", hex(crypto.hmac("sha256", "", "")))
  end)
end)

describe("a derived key", function()
  it("is that of RFC 6070 and RFC 7677", function()
    assert.equal("4b007901b765489abead49d926f721d065a429c1",
      hex(crypto.pbkdf2("sha1", "password", "salt", 4096, 20)))
    assert.equal("56fa6aa75548099dcc37d7f03425e0c3",
      hex(crypto.pbkdf2("sha1", "pass\0word", "sa\0lt", 4096, 16)))
  end)

  it("has a ceiling on rounds and length", function()
    for _, bad in ipairs { 0, -1, 10000001, 2 ^ 53 } do
      assert.has_error(function()
        crypto.pbkdf2("sha1", "p", "s", bad, 20)
      end)
    end
    assert.has_error(function() crypto.pbkdf2("sha1", "p", "s", 1, 0) end)
  end)
end)

describe("random bytes", function()
  it("are as many as asked for, and differ", function()
    assert.equal(0, #crypto.random(0))
    assert.equal(18, #crypto.random(18))
    assert.not_equal(crypto.random(32), crypto.random(32))
  end)
end)

describe("the comparison", function()
  it("tells equal bytes from others", function()
    assert.is_true(crypto.equal("", ""))
    assert.is_true(crypto.equal("a\0b", "a\0b"))
    assert.is_false(crypto.equal("a\0b", "a\0c"))
    assert.is_false(crypto.equal("ab", "abc"))
  end)
end)
