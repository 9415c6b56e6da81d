"""The currencies that events are sold in, and the smallest amount of each.

Rule: these are the active codes of ISO 4217 with two decimals or none. Those with three or four are
left out: money has two decimals in every table and answer.
"""

from decimal import Decimal

_TWO_DECIMALS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR
MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG
SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES
WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"

TWO_DECIMALS, NO_DECIMALS = frozenset(_TWO_DECIMALS.split()), frozenset(_NO_DECIMALS.split())
CURRENCIES = TWO_DECIMALS | NO_DECIMALS
# What an event is sold in if nobody says otherwise.
CURRENCY_DEFAULT = "USD"

_CENT, _ONE = Decimal("0.01"), Decimal(1)


def smallest(currency: str) -> Decimal:
    """The smallest amount of a currency, of which every amount is a multiple."""
    return _ONE if currency in NO_DECIMALS else _CENT


def misfit(name: str, amount: Decimal, currency: str) -> tuple[str, str] | None:
    """The field `name` and what is wrong with its `amount`, if that does not fit the currency."""
    if currency in NO_DECIMALS and amount % 1:
        return name, f"{name} must be a whole number: {currency} has no decimals"
    return None
