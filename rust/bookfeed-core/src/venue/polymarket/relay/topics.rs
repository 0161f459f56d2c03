//! What Polymarket's relays tell of: topics, who states prices, whether their markets trade.

use crate::names::named_codes;

named_codes! {
    /// What a frame is about. Codes are stable.
    Topic {
        /// Prices of Binance, in USDT.
        CryptoPrices = "crypto_prices",
        /// Prices of Chainlink, in USD.
        CryptoPricesChainlink = "crypto_prices_chainlink",
        /// Their mean over 30 seconds.
        CryptoPricesTwapThirty = "crypto_prices_twap_thirty",
        /// Their mean over 60 seconds.
        CryptoPricesTwapSixty = "crypto_prices_twap_sixty",
        /// Prices of Pyth: shares, commodities, currencies.
        EquityPrices = "equity_prices",
        /// Prices of coins in USD, on the relay that succeeds the first one.
        PriceCrypto = "price.crypto",
        /// The same of shares, commodities and currencies.
        PriceEquity = "price.equity",
        /// Means of prices of coins.
        PriceCryptoTwap = "price.crypto.twap",
        /// Means of prices of currencies.
        PriceEquityTwap = "price.equity.twap",
        /// The best bid and ask of a token.
        PriceTouch = "price.polymarket",
        /// Trades of all markets.
        Activity = "activity",
        /// What people write.
        Comments = "comments",
        /// Requests for quotes.
        Rfq = "rfq",
        /// Books; retired, in recordings only.
        ClobMarket = "clob_market",
        /// The user's own orders; retired, in recordings only.
        ClobUser = "clob_user",
    }
}

named_codes! {
    /// Who states a price.
    Origin {
        /// Nobody says.
        Unknown = "",
        /// Binance.
        Binance = "binance",
        /// Chainlink.
        Chainlink = "chainlink",
        /// Pyth.
        Pyth = "pyth",
        /// Massive.
        Massive = "massive",
        /// Somebody who is not known here.
        Other = "other",
    }
}

named_codes! {
    /// Whether the market of a price trades.
    MarketStatus {
        /// Nobody says.
        Unsaid = "",
        /// It trades.
        Open = "open",
        /// It does not.
        Closed = "closed",
        /// Its state is not known.
        Unknown = "unknown",
    }
}

impl Topic {
    /// Who states its prices, where no message says.
    pub(super) fn origin(self) -> Origin {
        match self {
            Self::CryptoPrices => Origin::Binance,
            Self::CryptoPricesChainlink | Self::CryptoPricesTwapThirty | Self::CryptoPricesTwapSixty => {
                Origin::Chainlink
            }
            Self::EquityPrices => Origin::Pyth,
            _ => Origin::Unknown,
        }
    }
}
